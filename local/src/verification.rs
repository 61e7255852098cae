//! `verify-audit`: walks the chain of every item and names each entry that is not as it was.

use shared::app::App;
use shared::problem::Problem;

/// Prints a line for each bad entry and a sum: whether all is well.
pub async fn run(app: &App) -> Result<bool, String> {
    let (mut items, mut entries, mut pending, mut bad) = (0_u64, 0, 0, 0_u64);
    let mut last = String::new();
    let told = audit::verify_all(app.store(), |item, part| {
        if item != last {
            item.clone_into(&mut last);
            items += 1;
            entries += part.entries;
            pending += part.pending;
        }
        for fault in &part.bad {
            bad += 1;
            let entry = fault.entry.map(|id| format!(" entry {id}")).unwrap_or_default();
            println!("bad: {item} sequence {}{entry}: {}", fault.sequence, fault.why);
        }
    });
    told.await.map_err(|problem: Problem| format!("verify-audit: {}", problem.code()))?;
    println!("{items} items, {entries} entries, {pending} of them not sealed yet, {bad} bad");
    Ok(bad == 0)
}
