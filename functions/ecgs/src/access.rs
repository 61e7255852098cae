//! Who may see and change which recording: its own user. A refusal is entered before it is answered.

use shared::audit::{Access, Entry, ItemType, Outcome};
use shared::auth::{Caller, Permission};
use shared::problem::Problem;
use shared::store::Store;
use uuid::Uuid;

use crate::recording::Header;
use crate::samples;
use crate::table::{self, subject};

/// The user that a caller is, with the scope of `P`; for what concerns no single recording.
pub async fn to_own<P: Permission>(
    store: &Store,
    caller: &Caller,
    access: Access,
) -> Result<Uuid, Problem> {
    let user = caller.must_have::<P>().and_then(|()| caller.must_be_user());
    if user.is_err() {
        let entry = Entry::of_list(caller, access, ItemType::Ecgs).with_outcome(Outcome::Denied);
        store.enter(vec![entry]).await?;
    }
    user
}

/// The header of one of the caller's own recordings. One that isn't there and another's cost the
/// same: a header and an entry.
pub async fn to_one<P: Permission>(
    store: &Store,
    caller: &Caller,
    access: Access,
    id: Uuid,
) -> Result<Header, Problem> {
    let header = table::header(store, id).await?.filter(Header::is_visible);
    let (outcome, problem) = match (caller.must_have::<P>(), header) {
        (Ok(()), Some(header)) if caller.user_id() == Some(header.user_id) => return Ok(header),
        (Ok(()), Some(_)) => (Outcome::Denied, Problem::NOT_FOUND),
        (Ok(()), None) => (Outcome::NotFound, Problem::NOT_FOUND),
        (Err(problem), _) => (Outcome::Denied, problem),
    };
    let entry = Entry::new(caller, access, subject(id), &[]).with_outcome(outcome);
    store.enter(vec![entry]).await?;
    Err(problem)
}

/// The same for a read, which is entered.
pub async fn read<P: Permission>(
    store: &Store,
    caller: &Caller,
    id: Uuid,
) -> Result<Header, Problem> {
    let header = to_one::<P>(store, caller, Access::Read, id).await?;
    store.enter_reads(caller, [subject(id)]).await?;
    Ok(header)
}

/// What came of a recording that was known a moment ago. One that was deleted meanwhile is entered
/// as any that isn't there; one that is another by now can be asked for again.
pub async fn unless_gone<P: Permission, T>(
    store: &Store,
    caller: &Caller,
    access: Access,
    known: &Header,
    done: Result<T, Problem>,
) -> Result<T, Problem> {
    if !done.as_ref().is_err_and(samples::are_missing) {
        return done;
    }
    let is_same = to_one::<P>(store, caller, access, known.id).await?.version == known.version;
    Err(if is_same {
        Problem::bug("a recording without its samples or insights")
    } else {
        Problem::STORAGE_UNAVAILABLE
    })
}
