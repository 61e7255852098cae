//! What each route costs the store.

mod common;

use shared::testing::assert_in_the_table;

use common::{app, question};

#[tokio::test]
async fn a_route_costs_what_the_architecture_page_says_however_much_is_stored() {
    let (_app, ada) = app().await;
    ada.post("/payoffs", &question()).await;
    for count in [10, 500] {
        for _ in 0..count {
            ada.post("/payoffs", &question()).await;
        }
        let created = ada.post("/payoffs", &question()).await;
        let key = format!("k{count}");
        let table = [
            created.cost_row("POST /payoffs"),
            ada.key(&key).post("/payoffs", &question()).await.cost_row("POST /payoffs with a key"),
            ada.get(created.header("location")).await.cost_row("GET /payoffs/{id}"),
            ada.get("/payoffs?limit=10").await.cost_row("GET /payoffs?limit=10"),
            ada.get("/payoffs?loan_number=504-0017&limit=10")
                .await
                .cost_row("GET /payoffs?loan_number=&limit=10"),
        ];
        assert_in_the_table(&table, &format!("{count} payoffs stored"));
    }
}
