//! How much memory it takes to store a body of 30 MiB, over what the program has before.

use std::fs;

use serde_json::json;
use testkit::processes::told;

use crate::buyer::status;
use crate::seller::{LARGE, Seller};
use crate::writing::{Table, mib};

pub async fn table(seller: &Seller) {
    let scene = seller.scene(None).await;
    let host = scene.host("storing").await;
    let buy = async |path: &str| {
        let url = format!("{}{path}", seller.url);
        told(host.tool("fetch_paid", json!({ "url": url })).await)
    };
    buy("/first").await;
    let Some(pid) = host.pid() else { return };
    // Linux begins to look for the most anew: opening the key took more than all of this.
    if fs::write(format!("/proc/{pid}/clear_refs"), "5").is_err() {
        return;
    }
    let before = status(pid, "VmRSS:");
    let answer = buy(LARGE).await;
    assert_eq!(answer["body_bytes"], 30 << 20, "{}", answer["reasons"]);
    let (Some(before), Some(most)) = (before, status(pid, "VmHWM:")) else { return };
    let mut table = Table::new(&["storing 30 MiB", "before", "at the most", "more"]);
    table.row(["memory".into(), mib(before), mib(most), mib(most.saturating_sub(before))]);
    table.print();
}
