//! The program stopped dead at every place a sign-in passes: what a seller saw is in the ledger, and nothing is paid.

use bursar::crash;
use sandbox::sellers::sign_in::HEADER;
use sandbox::sellers::{SignIn, Stall};
use serde_json::{Value, json};

use crate::house::House;
use crate::{PRICE, is_abort, run};

#[tokio::test]
async fn a_crash_at_any_point_of_a_sign_in_leaves_it_recorded_or_unseen() {
    let house = House::build().await;
    for point in crash::POINTS_SIGN_IN {
        let path = format!("/{point}");
        house.sandbox.sellers.put(Stall::get(&path, PRICE).signing_in(SignIn::again()));
        let wish = json!({ "url": house.url(&path) });
        assert_eq!(run(&house, &wish).await["charged"], "yes");
        stopped_at(&house, point, &wish).await;
        // What was signed and not recorded is gone with the process; what was recorded has left, or may have.
        let (seen, recorded) = (seen(&house, &path), house.sign_ins_of(&path).await);
        let expected = match point {
            "sign_in_signed" => (0, 0),
            "sign_in_recorded" => (0, 1),
            _ => (1, 1),
        };
        assert_eq!((seen, recorded), expected, "{point}");
        let again = run(&house, &wish).await;
        assert_eq!((&again["outcome"], &again["charged"]), (&json!("answered"), &json!("no")), "{point}: {again:#}");
        assert_eq!(house.times_shown(&path), 1, "{point}: paid once");
        house.nothing_is_wrong().await;
    }
}

async fn stopped_at(house: &House, point: &str, wish: &Value) {
    let host = house.serve(Some(point)).await;
    let call = host.begin_tool("fetch_paid", wish.clone());
    let status = host.exited().await.expect("an exit");
    drop(call);
    assert!(is_abort(status), "{point} was passed");
}

fn seen(house: &House, path: &str) -> usize {
    house.sandbox.sellers.seen_at(path).iter().filter(|seen| seen.headers.contains_key(HEADER)).count()
}
