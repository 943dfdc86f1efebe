//! `bursar balance --watch`: where to send money, and waiting until it comes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Output, Stdio};

use alloy_primitives::U256;
use sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use crate::home::{ADDRESS, Home, code, err, out};
use crate::playing::Market;
use crate::terminal::interrupt;

/// A chain on which we have this much, and a user who waits for more.
async fn holding(micros: u64) -> (Sandbox, Home) {
    let sandbox = Sandbox::start(Options::default()).await.expect("a sandbox");
    comes(&sandbox, micros);
    let home = Market::home_at(&sandbox);
    (sandbox, home)
}

fn comes(sandbox: &Sandbox, micros: u64) {
    sandbox.chain.mint(ADDRESS.parse().expect("an address"), U256::from(micros)).expect("minted");
}

struct Watching {
    child: Child,
    said: String,
}

impl Watching {
    fn begin(home: &Home, args: &[&str]) -> Watching {
        let mut command = home.command(&[&["balance", "--watch"], args].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Watching { child: command.spawn().expect("started"), said: String::new() }
    }

    /// Reads what it says on stderr up to a line that has this in it.
    fn until(&mut self, words: &str) {
        let lines = BufReader::new(self.child.stderr.as_mut().expect("a pipe"));
        for line in lines.lines() {
            let line = line.expect("text");
            self.said.push_str(&format!("{line}\n"));
            if line.contains(words) {
                return;
            }
        }
        panic!("it never said {words}: {}", self.said);
    }

    fn ends(self) -> (String, Output) {
        (self.said, self.child.wait_with_output().expect("ended"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_where_to_send_money_and_ends_when_it_comes() {
    let (sandbox, home) = holding(0).await;
    let mut watching = Watching::begin(&home, &[]);
    watching.until("Ctrl-C ends the waiting");
    comes(&sandbox, 5_000_000);
    let (said, ended) = watching.ends();
    assert_eq!(code(&ended), 0, "{}", err(&ended));
    insta::assert_snapshot!(said + &err(&ended) + &out(&ended));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_is_not_what_is_waited_for() {
    let (sandbox, home) = holding(5_000_000).await;
    let mut watching = Watching::begin(&home, &[]);
    watching.until("There is 5 USDC on Base Sepolia now; more is waited for");
    comes(&sandbox, 1_000_000);
    let (_, ended) = watching.ends();
    assert_eq!(code(&ended), 0, "{}", err(&ended));
    assert!(err(&ended).contains("It came. There is 6 USDC on Base Sepolia now."), "{}", err(&ended));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_down_is_waited_out() {
    let (sandbox, home) = holding(5_000_000).await;
    sandbox.rpc.set_down(true);
    let mut watching = Watching::begin(&home, &[]);
    watching.until("No node says what is there yet.");
    sandbox.rpc.set_down(false);
    let (_, ended) = watching.ends();
    assert_eq!(code(&ended), 0, "{}", err(&ended));
    assert!(out(&ended).contains("$5"), "{}", out(&ended));
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_the_waiting_and_is_no_success() {
    let (_sandbox, home) = holding(0).await;
    let mut watching = Watching::begin(&home, &[]);
    watching.until("Ctrl-C ends the waiting");
    interrupt(&watching.child);
    let (_, ended) = watching.ends();
    assert_eq!((code(&ended), out(&ended).as_str()), (1, ""), "{}", err(&ended));
    assert!(err(&ended).contains("stopped, and nothing has come yet"), "{}", err(&ended));
}

#[tokio::test(flavor = "multi_thread")]
async fn for_programs_it_is_two_lines_of_json() {
    let (sandbox, home) = holding(0).await;
    let mut watching = Watching::begin(&home, &["--json", "--network", "eip155:84532"]);
    let mut lines = BufReader::new(watching.child.stdout.take().expect("a pipe")).lines();
    let mut line = || -> Value { serde_json::from_str(&lines.next().expect("a line").expect("text")).expect("JSON") };
    let first = line();
    assert_eq!(
        first,
        json!({ "address": ADDRESS, "waiting_for": [{
            "network": "eip155:84532", "address": ADDRESS, "assets": ["USDC"], "faucet": "https://faucet.circle.com",
            "explorer": format!("https://sepolia.basescan.org/address/{ADDRESS}"),
        }]})
    );
    comes(&sandbox, 2_500_000);
    let last = line();
    assert_eq!(
        last["arrived"],
        json!([{ "network": "eip155:84532", "asset": "USDC", "amount": "2.5", "amount_atomic": "2500000" }])
    );
    assert_eq!(last["balances"]["balances"][0]["amount_atomic"], "2500000");
    let (_, ended) = watching.ends();
    assert_eq!((code(&ended), err(&ended).as_str()), (0, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_wallet_there_is_nothing_to_wait_for() {
    let refused = Home::empty().run(&["balance", "--watch"]);
    assert_eq!(code(&refused), 1);
    assert!(err(&refused).contains("`bursar init` makes one"), "{}", err(&refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_wallet_is_told_how_to_wait() {
    let (_sandbox, home) = holding(0).await;
    let told = home.run(&["balance"]);
    assert!(err(&told).contains("bursar balance --watch"), "{}", err(&told));
}
