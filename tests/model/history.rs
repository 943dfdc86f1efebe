//! A random history: wishes, replies, chain evidence, releases, freezes, a clock that jumps, a new process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256};
use bursar::authorization::{Authorization, Ground};
use bursar::ledger::{Authorized, Closing, Draft, Ledger, View};
use bursar::money::{Account, Amount, Asset, Assets, Network, Usd};
use bursar::offer::{Carrier, Dialect, Echo, Offer, Scheme};
use bursar::policy::{Funds, Meter, Policy, Scope, Window};
use bursar::request::Request;
use bursar::settlement::Standing;
use bursar::time::Time;
use bursar::wallet::Key;
use bursar::wish::{Call, Wish};

use crate::model::{Caps, Expected, Model, Payment};

const AGENTS: usize = 2;
const DOMAINS: usize = 3;
const PAYEES: usize = 3;
const WISHES: u64 = 12;
const STEPS: u64 = 40;

pub struct History {
    seed: u64,
    random: u64,
    dir: tempfile::TempDir,
    ledger: Ledger,
    model: Model,
    caps: Caps,
    policy: Arc<Policy>,
    clock: Time,
    key: Key,
    asset: Asset,
    /// Row of the ledger by payment of the model.
    rows: Vec<i64>,
    opened: u64,
}

impl History {
    pub fn begin(seed: u64) -> History {
        let mut random = seed;
        let caps = caps(&mut random);
        let dir = tempfile::tempdir_in(memory()).unwrap();
        let clock = Time::from_secs(1_800_000_000);
        let assets = Assets::default();
        let asset = assets.on(&Network::eip155(84532)).next().unwrap().clone();
        History {
            seed,
            ledger: open(&dir, 0, clock),
            model: Model::new(AGENTS, clock),
            policy: Arc::new(Policy::parse("policy.toml", &policy(&caps)).unwrap()),
            key: Key::read(format!("{:064x}", 0x0b0b_0000 + 1u64).as_bytes()).unwrap(),
            rows: Vec::new(),
            opened: 0,
            random,
            dir,
            caps,
            clock,
            asset,
        }
    }

    pub async fn run(mut self) -> u64 {
        for step in 0..STEPS {
            let what = self.step(step).await;
            self.compare(&what).await;
        }
        let found = self.ledger.audit().await.unwrap();
        assert_eq!(found.violations, Vec::<String>::new(), "seed {}: the audit", self.seed);
        assert_eq!(found.authorizations, self.model.payments.len() as u64);
        STEPS
    }

    async fn step(&mut self, step: u64) -> String {
        match self.pick(20) {
            0..10 => self.authorize(step).await,
            10..14 => self.close().await,
            14..16 => self.evidence().await,
            16 => self.release().await,
            17 => self.freeze_or_thaw().await,
            18 => self.jump(),
            _ => self.restart(),
        }
    }

    async fn authorize(&mut self, step: u64) -> String {
        let (agent, wish) = (self.pick(AGENTS as u64) as usize, self.pick(WISHES));
        let (domain, payee) = (wish as usize % DOMAINS, self.pick(PAYEES as u64) as usize);
        let micros = 1_000 * (1 + self.pick(60));
        let wanted = Payment {
            wish,
            agent,
            domain,
            payee,
            micros,
            at: self.clock,
            session: 0,
            standing: Standing::AUTHORIZED,
            open: true,
        };
        let expected = self.model.authorize(&self.caps, self.clock, wanted);
        let draft = self.draft(agent, wish, domain, payee, micros, step);
        let what = format!("authorize {micros} for wish {wish} of agent {agent}");
        match (self.ledger.authorize(draft).await.unwrap(), expected) {
            (Authorized::Recorded(recorded, _), Expected::Recorded) => {
                let entry = self.ledger.entry_of(name(agent), recorded.purchase_id().to_owned()).await.unwrap();
                self.rows.push(entry.unwrap().row);
            }
            (Authorized::Refused { .. }, Expected::Refused) => {}
            (Authorized::Taken(row), Expected::Taken(open)) => assert_eq!(row, self.rows[open], "{what}"),
            (Authorized::Recorded(_, _), other) => panic!("{what}: recorded, the model says {other:?}"),
            (Authorized::Refused { reasons, .. }, other) => panic!("{what}: {reasons:?}, the model says {other:?}"),
            (Authorized::Taken(_), other) => panic!("{what}: taken, the model says {other:?}"),
        }
        what
    }

    async fn close(&mut self) -> String {
        let Some(payment) = self.pick_payment() else { return "nothing to close".into() };
        let (standing, delivered) = match self.pick(4) {
            0 => (Standing::HELD, false),
            1 => (Standing::HELD, true),
            2 => (Standing::SETTLED_BY_WORD, true),
            _ => (Standing::SETTLED_BY_WORD, false),
        };
        self.model.move_to(payment, standing);
        self.model.payments[payment].open &= !delivered;
        let closing = Closing {
            standing,
            presented: true,
            delivered,
            goods: None,
            lied: false,
            answered: None,
            chain_tx: None,
            receipt: None,
            detail: serde_json::json!({}),
            now: self.clock,
        };
        self.ledger.close(self.rows[payment], closing).await.unwrap();
        format!("close {payment} as {standing:?}, delivered {delivered}")
    }

    async fn evidence(&mut self) -> String {
        let Some(payment) = self.pick_payment() else { return "nothing to prove".into() };
        let to = [Standing::SETTLED_BY_CHAIN, Standing::LAPSED][self.pick(2) as usize];
        self.moved(payment, to, "settled").await
    }

    async fn release(&mut self) -> String {
        let Some(payment) = self.pick_payment() else { return "nothing to release".into() };
        self.moved(payment, Standing::RELEASED, "released").await
    }

    async fn moved(&mut self, payment: usize, to: Standing, kind: &'static str) -> String {
        let expected = self.model.move_to(payment, to);
        let moved =
            self.ledger.move_to(self.rows[payment], to, kind, serde_json::json!({}), None, self.clock).await.unwrap();
        assert_eq!(moved.went, expected, "move {payment} to {to:?}");
        format!("move {payment} to {to:?}")
    }

    async fn freeze_or_thaw(&mut self) -> String {
        self.model.frozen = !self.model.frozen;
        let why = self.model.frozen.then(|| "a whim".to_owned());
        self.ledger.freeze(why, self.clock).await.unwrap();
        format!("frozen: {}", self.model.frozen)
    }

    fn jump(&mut self) -> String {
        let spans = [1, 59, 61, 900, 1_801, 3_601, 21_600, 86_400, 90_000, 2_600_000];
        let span = Duration::from_secs(spans[self.pick(spans.len() as u64) as usize]);
        let back = self.pick(4) == 0;
        self.clock = if back { self.clock.minus(span) } else { self.clock.plus(span) };
        format!("clock {} by {span:?}", if back { "back" } else { "on" })
    }

    fn restart(&mut self) -> String {
        self.opened += 1;
        self.ledger = open(&self.dir, self.opened, self.clock);
        "another process opens the ledger".into()
    }

    async fn compare(&self, what: &str) {
        let seed = self.seed;
        for agent in 0..AGENTS {
            let snapshot = self.ledger.snapshot(self.view(agent)).await.unwrap();
            let now = self.model.now(self.clock);
            let used = |scope, window| snapshot.used.get(&Meter { scope, window }).copied().unwrap_or_default();
            let day = used(Scope::Wallet, Window::Day);
            let session = used(Scope::Session, Window::Session).counted.as_micros();
            let expected = self.model.session(agent, now).map_or(0, |session| self.model.in_session(session, None));
            assert_eq!(snapshot.now, now, "seed {seed}, {what}: the ledger's time");
            assert_eq!(day.counted.as_micros(), self.model.wallet_day(now), "seed {seed}, {what}: the wallet's day");
            assert_eq!(day.held.as_micros(), self.model.held_today(now), "seed {seed}, {what}: held today");
            assert_eq!(session, expected, "seed {seed}, {what}: agent {agent}'s session");
            assert_eq!(snapshot.frozen, self.model.frozen, "seed {seed}, {what}: frozen");
        }
        for (payment, row) in self.model.payments.iter().zip(&self.rows) {
            let entry = self.ledger.entry(*row).await.unwrap().unwrap();
            let standing = entry.money.unwrap().standing;
            assert_eq!(
                (standing, entry.open),
                (payment.standing, payment.open),
                "seed {seed}, {what}: {}",
                entry.purchase_id
            );
        }
    }

    fn view(&self, agent: usize) -> View {
        View {
            agent: name(agent),
            identity: None,
            led_from: None,
            policy: self.policy.clone(),
            url: None,
            payees: Vec::new(),
            now: self.clock,
        }
    }

    fn draft(&mut self, agent: usize, wish: u64, domain: usize, payee: usize, micros: u64, step: u64) -> Draft {
        let url = format!("https://shop{domain}.com/{wish}");
        let wish = Wish::parse(&name(agent), &Call { url, ..Call::default() }).unwrap();
        let offer = self.offer(payee, micros);
        let random = B256::right_padding_from(&(self.seed << 16 | step).to_be_bytes());
        let from = Account::evm(offer.network(), self.key.address());
        let authorization = Authorization::draft(&offer, &from, self.clock, random.0, &Ground::default()).unwrap();
        let signatures = self.key.sign(&authorization).unwrap();
        Draft {
            purchase_id: format!("pu_{step}"),
            agent: name(agent),
            client: None,
            identity: wish.identity(),
            headers: wish.headers_fingerprint(),
            parent: None,
            // Here nobody else is about.
            looked: i64::MAX,
            asked: wish.request.clone(),
            request: Request { ..wish.request.clone() },
            max_price: None,
            policy: self.policy.clone(),
            funds: Funds::default(),
            payment_header: authorization.payment_header(&offer, &signatures, None),
            offer,
            authorization,
            signatures,
            offers: serde_json::Value::Null,
            now: self.clock,
        }
    }

    fn offer(&self, payee: usize, micros: u64) -> Offer {
        Offer {
            scheme: Scheme::Eip3009,
            asset: self.asset.clone(),
            amount: Amount::parse(&micros.to_string()).unwrap(),
            usd: Usd::micros(micros),
            payee: Account::evm(self.asset.network(), Address::repeat_byte(0x20 + payee as u8)),
            window_secs: 60,
            takes_first: false,
            carrier: Carrier::Headers,
            echo: Echo::imagined(Dialect::X402V2).unwrap(),
        }
    }

    fn pick_payment(&mut self) -> Option<usize> {
        let count = self.model.payments.len() as u64;
        (count > 0).then(|| self.pick(count) as usize)
    }

    fn pick(&mut self, below: u64) -> u64 {
        next(&mut self.random) % below
    }
}

fn caps(random: &mut u64) -> Caps {
    let mut cap = |least: u64| 1_000 * (least + next(random) % 400);
    Caps {
        hour: cap(150),
        day: cap(200),
        month: cap(300),
        session: cap(120),
        domain_session: cap(100),
        domain_day: cap(120),
        payee_day: cap(120),
        per_minute: 1 + (cap(0) / 1_000 % 12) as u32,
    }
}

fn policy(caps: &Caps) -> String {
    let usd = |micros: u64| format!("\"{}\"", Usd::micros(micros));
    format!(
        "version = 1\n[wallet]\nper_payment = \"none\"\nper_hour = {}\nper_day = {}\nper_month = {}\n\
         payments_per_minute = {}\n[session]\ntotal = {}\nidle = \"30m\"\n[each_domain]\nper_payment = \"none\"\n\
         per_session = {}\nper_day = {}\n[payee]\nper_day = {}\non_change = \"allow\"\n[approval]\nabove = \"none\"\n\
         [price]\nrise = \"none\"\n[breakers]\nundelivered = \"none\"\nrefusals_per_minute = \"none\"\n\
         [networks]\nallow = [\"eip155:84532\"]\n",
        usd(caps.hour),
        usd(caps.day),
        usd(caps.month),
        caps.per_minute,
        usd(caps.session),
        usd(caps.domain_session),
        usd(caps.domain_day),
        usd(caps.payee_day),
    )
}

fn open(dir: &tempfile::TempDir, count: u64, now: Time) -> Ledger {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&count.to_be_bytes());
    Ledger::open(&dir.path().join("ledger.db"), &dir.path().join("leases"), nonce, now).unwrap()
}

fn name(agent: usize) -> String {
    format!("agent-{agent}")
}

/// Memory where there is such a folder: these histories ask what is right, not what survives.
fn memory() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

/// SplitMix64: the whole history follows from its seed.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
