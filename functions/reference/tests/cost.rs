//! What each route costs the store.

mod common;

use serde_json::json;
use shared::testing::assert_in_the_table;

use common::{app, franchise, import};

#[tokio::test]
async fn a_route_costs_what_the_architecture_page_says_however_much_is_stored() {
    let (_app, ada) = app().await;
    import(&ada, &[franchise("CC-14", "Corner Café"), franchise("CC-15", "Crêperie du Coin")])
        .await;
    for count in [10, 3_000] {
        for part in 0..(count + 999) / 1_000 {
            let row = |number| {
                franchise(
                    &format!("Z{count}-{part}-{number}"),
                    &format!("Kebab Crossing {number} Bistro"),
                )
            };
            let rows: Vec<_> = (0..count.min(1_000)).map(row).collect();
            assert_eq!(import(&ada, &rows).await["imported"], rows.len());
        }
        let ten: Vec<_> =
            (0..10).map(|n| franchise(&format!("N{count}-{n}"), "New Name Here")).collect();
        let ten = json!({"items": ten});
        let table = [
            ada.get("/countries?q=coast").await.cost_row("GET /countries, /holidays, /naics-codes"),
            ada.get("/franchises/CC-14").await.cost_row("GET /franchises/{franchise_id}"),
            ada.get("/franchises?q=cafe").await.cost_row("GET /franchises?q=, of one"),
            ada.get("/franchises?q=kebab+crossing&limit=10")
                .await
                .cost_row("GET /franchises?q=&limit=10"),
            ada.get("/franchises?limit=3").await.cost_row("GET /franchises?limit=3"),
            ada.post("/franchises/import", &ten)
                .await
                .cost_row("POST /franchises/import, 10 new rows of 3 words"),
            ada.post("/franchises/import", &ten)
                .await
                .cost_row("POST /franchises/import, 10 known rows"),
        ];
        assert_in_the_table(&table, &format!("{count} franchises stored"));
    }
}
