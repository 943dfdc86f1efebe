//! `bursar demo`: a short scene with play money, through the real MCP server as a child process.
//!
//! It checks itself: every step says what must come of it, and the curtain compares the log with the chain. It ends
//! with 0 only if all of it came out as told.

use std::io::IsTerminal;
use std::process::Stdio;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::answer::LogQuery;
use crate::answer::SpendQuery;
use crate::cli::exit::{Exit, Failure};
use crate::cli::log;
use crate::cli::out::{self, Out};
use crate::cli::playground::{self, Playground};
use crate::cli::{Context, words};
use crate::money::Usd;
use crate::owner::Owner;
use sandbox::host::{Era, Host};

/// Watch it work: an agent shops with play money, inside limits
///
/// Starts a market of sellers, a chain and a wallet on this machine, and plays an agent against the real server: it
/// buys, is served a repeat free of charge, is refused by a budget, waits for the owner, and loses an answer without
/// paying twice. Nothing is installed, nothing leaves this machine, and nothing stays behind.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar demo\n\nExits 0 only if every step came out as told.")]
pub struct Demo {}

/// The limits of the scene, as the first lines say them.
const POLICY: &str = r#"
[wallet]
per_payment = "1.00"
per_hour = "2.00"
per_day = "2.00"
[each_domain]
per_payment = "0.50"
per_session = "none"
per_day = "0.40"
[approval]
above = "0.10"
"#;
const FUNDS: Usd = Usd::micros(5_000_000);
const WEATHER: Usd = Usd::micros(10_000);
const FORECAST: Usd = Usd::micros(20_000);
const REPORT: Usd = Usd::micros(250_000);
const LOST: Usd = Usd::micros(30_000);
const AGENT: &str = "demo";
/// Long enough to read a line, short enough to watch all of it. Only where somebody watches.
const BEAT: Duration = Duration::from_millis(900);

impl Demo {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let scene = Scene::set(context.out).await?;
        let played = scene.play().await;
        scene.host.close_stdin();
        scene.host.exited().await;
        played.map(|()| Exit::Done)
    }
}

struct Scene {
    out: Out,
    ground: Playground,
    host: Host,
    /// The owner's side: the same home, opened beside the server.
    owner: Owner,
}

/// What the agent heard from a tool.
struct Heard(Value);

impl Scene {
    async fn set(out: Out) -> Result<Scene, Failure> {
        let ground = Playground::open(&playground::temporary()?, POLICY, FUNDS).await?;
        let host = Host::start(server(&ground)?, Era::Stateless).await.map_err(broken)?;
        let owner = ground.house().await?.owner();
        Ok(Scene { out, ground, host, owner })
    }

    async fn play(&self) -> Result<(), Failure> {
        self.the_stage();
        self.the_agent_asks_the_price().await?;
        self.it_buys().await?;
        self.the_same_again_is_free().await?;
        self.it_looks_for_a_tool().await?;
        self.too_much_for_one_seller().await?;
        self.the_owner_is_asked().await?;
        self.an_answer_is_lost().await?;
        self.the_books_agree_with_the_chain().await
    }

    fn the_stage(&self) {
        self.out.line(out::bold("An agent goes shopping. Play money, real signatures, a real ledger."));
        self.out.line("");
        self.line(
            "wallet",
            &format!("{} on a chain in this process; the agent never sees the key", words::dollars(FUNDS)),
        );
        self.line("limits", "$0.50 a payment, $0.40 a day at one seller; above $0.10 the owner is asked");
        self.line("market", &self.ground.sandbox.sellers_url());
    }

    async fn the_agent_asks_the_price(&self) -> Result<(), Failure> {
        self.step("What does the weather report cost?").await;
        let quote = self.call("quote", "/weather").await?;
        quote.must("the weather is for sale", quote.0["payable"] == true)?;
        let offer = &quote.0["offers"][0];
        quote.must("the weather costs a cent", offer["amount_usd"] == WEATHER.to_string().as_str())?;
        let (verdict, dialect) = (text(&offer["verdict"]), text(&offer["dialect"]));
        self.line("bursar", &format!("$0.01 in {} ({dialect}); the policy says {verdict}", text(&offer["asset"])));
        Ok(())
    }

    async fn it_buys(&self) -> Result<(), Failure> {
        self.step("Buy it.").await;
        let answer = self.call("fetch_paid", "/weather").await?;
        answer.must("the weather is bought", answer.is("answered", "yes"))?;
        self.line("seller", &table_cut(text(&answer.0["body"])));
        self.line("bursar", &format!("paid ${}, {}", answer.price(), answer.left()));
        Ok(())
    }

    async fn the_same_again_is_free(&self) -> Result<(), Failure> {
        self.step("The agent forgot, and asks again.").await;
        let answer = self.call("fetch_paid", "/weather").await?;
        answer.must("a repeat costs nothing", answer.is("answered", "no") && answer.0["served_from_store"] == true)?;
        self.line("bursar", "the same answer, from the store: nothing charged");
        Ok(())
    }

    async fn it_looks_for_a_tool(&self) -> Result<(), Failure> {
        self.step("Is there a tool for forecasts?").await;
        self.line("agent", "find_paid forecast");
        let found = self.tool("find_paid", json!({"query": "forecast", "kind": "tool"})).await?;
        for claimed in found.0["results"].as_array().into_iter().flatten() {
            let (tool, price) = (text(&claimed["tool"]), text(&claimed["price_usd"]));
            self.line("market", &format!("{tool} claims ${price}; the policy says {}", text(&claimed["verdict"])));
        }
        let verdicts: Vec<&str> = ["forecast", "almanac"].map(|tool| found.verdict(tool)).to_vec();
        found.must("both tools are found, and the dear one is too dear", verdicts == ["allow", "refuse"])?;
        let server = self.url("/mcp");
        self.line("agent", "call_paid_tool almanac");
        let dear = self.tool("call_paid_tool", json!({"server": server, "tool": "almanac"})).await?;
        dear.must("the dear tool is refused", dear.is("refused", "no") && dear.has_reason("over_domain_payment"))?;
        self.line("bursar", &format!("refused: {}", text(&dear.0["reasons"][0]["message"])));
        self.line("agent", "call_paid_tool forecast");
        let cheap = self.tool("call_paid_tool", json!({"server": server, "tool": "forecast"})).await?;
        cheap.must("the cheap tool is bought", cheap.is("answered", "yes") && cheap.price() == FORECAST.to_string())?;
        let result: Value = serde_json::from_str(text(&cheap.0["body"])).unwrap_or_default();
        self.line("seller", &table_cut(text(&result["content"][0]["text"])));
        self.line("bursar", &format!("paid ${}, {}", cheap.price(), cheap.left()));
        Ok(())
    }

    async fn too_much_for_one_seller(&self) -> Result<(), Failure> {
        self.step("A dataset for $0.40.").await;
        let answer = self.call("fetch_paid", "/dataset").await?;
        answer.must("the dataset is refused", answer.is("refused", "no"))?;
        answer.must("the domain's budget refuses it", answer.has_reason("over_domain_day"))?;
        for reason in answer.0["reasons"].as_array().into_iter().flatten() {
            self.line("bursar", &format!("refused: {}", text(&reason["message"])));
        }
        Ok(())
    }

    async fn the_owner_is_asked(&self) -> Result<(), Failure> {
        self.step("A market report for $0.25.").await;
        let first = self.call("fetch_paid", "/report").await?;
        first.must("the report needs a yes", first.is("needs_approval", "no"))?;
        self.line("bursar", "above $0.10: the owner must say yes. Nothing charged");
        let question = self.owner.pending().await?.pop();
        let question = question.ok_or_else(|| broken("the question did not reach the owner"))?;
        self.owner.approve(&question, None).await?;
        self.line("owner", &format!("yes, {} for that, once", words::dollars(question.amount_usd)));
        let second = self.call_again("/report", &first).await?;
        second.must("the report is bought after the yes", second.is("answered", "yes"))?;
        self.line("seller", &table_cut(text(&second.0["body"])));
        self.line("bursar", &format!("paid ${}, {}", second.price(), second.left()));
        Ok(())
    }

    async fn an_answer_is_lost(&self) -> Result<(), Failure> {
        self.step("A seller takes $0.03 and drops the line.").await;
        let before = self.spent_on_chain();
        let lost = self.call("fetch_paid", "/lost").await?;
        lost.must("what is not known is said to be unknown", lost.is("held", "unknown"))?;
        self.line("bursar", "held: did the money move? Not known, so it counts as gone");
        let found = self.owner.reconcile().await?;
        let id = text(&lost.0["purchase_id"]).to_owned();
        let settled = found.settled.contains(&id) || self.state_of(&id).await? == "settled";
        lost.must("the chain says that it moved", settled)?;
        self.line("chain", "it moved; the seller has it");
        self.narrate("The agent tries the same again.").await;
        let again = self.call_again("/lost", &lost).await?;
        again.must("the agent is told that it was charged", again.0["charged"] == "yes")?;
        let paid = Usd::micros(self.spent_on_chain().as_micros() - before.as_micros());
        again.must("it was paid once", paid == LOST)?;
        self.line("bursar", "already paid, not delivered, and not paid again");
        Ok(())
    }

    async fn the_books_agree_with_the_chain(&self) -> Result<(), Failure> {
        self.step("What the owner sees afterwards: bursar log").await;
        let query = LogQuery { spend: SpendQuery { limit: Some(50), ..SpendQuery::default() }, ..LogQuery::default() };
        let spend = self.owner.log(query).await?;
        self.out.line("");
        log::lines(&spend, &[], words::now(), self.out.width()).iter().for_each(|line| self.out.line(line));
        self.out.line("");
        let sum = [WEATHER, FORECAST, REPORT, LOST].into_iter().fold(Usd::ZERO, Usd::saturating_add);
        must("the log counts what was bought", spend.totals.settled_usd == sum)?;
        must("the chain moved what the log counts", self.spent_on_chain() == sum)?;
        let audit = self.owner.audit().await?;
        must("the ledger adds up", audit.violations.is_empty())?;
        let left = FUNDS.saturating_sub(sum);
        self.line(
            "chain",
            &format!(
                "{} before, {} now: {} gone, exactly the log's sum",
                words::dollars(FUNDS),
                words::dollars(left),
                words::dollars(sum)
            ),
        );
        self.the_end();
        Ok(())
    }

    fn the_end(&self) {
        self.out.line("");
        self.out.line(out::good("Every step came out as told. What next:"));
        for (command, what) in [
            ("bursar serve --sandbox", "as an MCP server in your host: let your own agent spend play money"),
            ("bursar init", "a wallet and limits of your own"),
            ("bursar --help", "everything else"),
        ] {
            self.out.line(format_args!("  {command:<23} {}", out::dim(what)));
        }
    }

    async fn call(&self, tool: &str, path: &str) -> Result<Heard, Failure> {
        self.ask(tool, json!({"url": self.url(path)})).await
    }

    async fn call_again(&self, path: &str, before: &Heard) -> Result<Heard, Failure> {
        self.ask("fetch_paid", json!({"url": self.url(path), "purchase_id": before.0["purchase_id"]})).await
    }

    async fn ask(&self, tool: &str, arguments: Value) -> Result<Heard, Failure> {
        let path = arguments["url"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
        self.line("agent", &format!("{tool} /{path}"));
        self.tool(tool, arguments).await
    }

    async fn tool(&self, tool: &str, arguments: Value) -> Result<Heard, Failure> {
        let result = self.host.tool(tool, arguments).await.map_err(broken)?;
        Ok(Heard(result["structuredContent"].clone()))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.ground.sandbox.sellers_url().trim_end_matches('/'))
    }

    async fn state_of(&self, id: &str) -> Result<String, Failure> {
        Ok(self.owner.why(id).await?.row.state)
    }

    fn spent_on_chain(&self) -> Usd {
        FUNDS.saturating_sub(self.ground.on_chain())
    }

    async fn step(&self, title: &str) {
        self.out.line("");
        self.narrate(title).await;
    }

    async fn narrate(&self, line: &str) {
        if std::io::stdout().is_terminal() {
            tokio::time::sleep(BEAT).await;
        }
        self.out.line(out::bold(line));
    }

    fn line(&self, who: &str, what: &str) {
        self.out.line(format_args!("  {} {}", out::dim(&format!("{who:<7}")), out::clean(what)));
    }
}

impl Heard {
    fn is(&self, outcome: &str, charged: &str) -> bool {
        self.0["outcome"] == outcome && self.0["charged"] == charged
    }

    fn has_reason(&self, code: &str) -> bool {
        self.0["reasons"].as_array().into_iter().flatten().any(|reason| reason["code"] == code)
    }

    /// What the policy says of a tool that was found.
    fn verdict(&self, tool: &str) -> &str {
        let mut found = self.0["results"].as_array().into_iter().flatten();
        found.find(|one| one["tool"] == tool).map(|one| text(&one["verdict"])).unwrap_or_default()
    }

    fn price(&self) -> &str {
        text(&self.0["payment"]["amount_usd"])
    }

    fn left(&self) -> String {
        match self.0["budget_left_usd"]["domain"].as_str() {
            Some(left) => format!("${left} left at this seller today"),
            None => "no limit at this seller".to_owned(),
        }
    }

    fn must(&self, what: &str, held: bool) -> Result<(), Failure> {
        must(what, held).map_err(|failure| Failure { next: format!("the agent heard: {}", self.0), ..failure })
    }
}

fn must(what: &str, held: bool) -> Result<(), Failure> {
    match held {
        true => Ok(()),
        false => Err(broken(format!("the scene went wrong where {what}"))),
    }
}

fn broken(cause: impl ToString) -> Failure {
    Failure::new("demo", cause.to_string(), "this is a fault of bursar's: please report it with what stands above")
}

/// The real program, as a host would start it.
fn server(ground: &Playground) -> Result<Command, Failure> {
    let program = std::env::current_exe().map_err(broken)?;
    let mut command = Command::new(program);
    command.arg("--home").arg(ground.home.dir()).args(["serve", "--agent", AGENT]);
    command.env("BURSAR_PASSPHRASE_FILE", ground.passphrase_file()).stderr(Stdio::null());
    Ok(command)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Goods, as much of them as fits a line.
fn table_cut(goods: &str) -> String {
    crate::cli::table::cut(&out::clean(goods), 66)
}
