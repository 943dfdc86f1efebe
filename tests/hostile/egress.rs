//! Where bursar goes, case by case from `egress.txt`: what it decides, and what a socket sees of it.
//!
//! The second is looked at in a network of its own in which every address there is belongs to this machine, so that a
//! connection to anywhere at all would be seen, and none leaves.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bursar::ports::{Egress, SellerError};
use bursar::seller::HttpSeller;
use bursar::seller::egress::{Door, Guard, Names, door};
use bursar::wish::{Call, Wish};
use reqwest::dns::Resolve;
use sandbox::sellers::Stall;
use tokio::net::{TcpListener, TcpStream};
use url::Host;

use crate::scene::{OPEN, Scene};

const CASES: &str = include_str!("egress.txt");
/// Fewer would mean that the file was not read.
const CASES_AT_LEAST: usize = 120;

/// One line of the file.
struct Case {
    line: usize,
    url: String,
    /// What the owner opened.
    allow: Vec<String>,
    /// What the name leads to, look-up by look-up.
    leads_to: Vec<Vec<IpAddr>>,
    /// Who is connected to, each time it is asked for.
    seen: Vec<Option<IpAddr>>,
}

#[tokio::test]
async fn every_url_has_its_verdict() {
    for case in cases() {
        let names = Arc::new(Table::default());
        names.set(&case.leads_to);
        for expected in &case.seen {
            let verdict = decided(&case, names.clone()).await;
            assert_eq!(verdict.as_ref().ok(), expected.as_ref(), "line {}: {} {verdict:?}", case.line, case.url);
            assert!(verdict.err().is_none_or(|why| !why.is_empty()), "line {}: {}", case.line, case.url);
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn every_url_is_connected_to_where_its_verdict_says_and_nowhere_else() {
    use std::process::Command;
    // Every address leads to the loopback device of a network that ends with its process.
    let world =
        "ip link set lo up && ip route add local 0.0.0.0/0 dev lo && ip -6 route add local ::/0 dev lo || exit 77
        exec \"$0\" --exact egress::in_a_network_where_every_address_is_here --ignored --nocapture";
    let program = std::env::current_exe().expect("this program");
    let ran = Command::new("unshare").args(["--map-root-user", "--net", "sh", "-c", world]).arg(program).output();
    match ran {
        Ok(ran) if ran.status.code() == Some(77) => println!("not run: no network of its own can be set up here"),
        Ok(ran) if String::from_utf8_lossy(&ran.stderr).contains("unshare") => {
            println!("not run: {}", String::from_utf8_lossy(&ran.stderr));
        }
        Ok(ran) => {
            let said = [ran.stdout, ran.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(ran.status.success() && said.contains("1 passed"), "{said}");
            println!("{said}");
        }
        Err(cause) => println!("not run: {cause}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test above, in a network of its own"]
async fn in_a_network_where_every_address_is_here() {
    // An address that is nobody's anywhere else. Without it, this would knock at other people's doors.
    TcpListener::bind("192.0.2.1:0").await.expect("a network of its own");
    let cases = cases();
    let world = World::listening(cases.iter().filter_map(Case::port).chain([80, 443])).await;
    let names = Arc::new(Table::default());
    let seller = HttpSeller::knowing(names.clone(), &std::env::temp_dir());
    let mut refusals = Vec::new();
    for case in &cases {
        names.set(&case.leads_to);
        for expected in &case.seen {
            let began = Instant::now();
            let asked = asked(&seller, case).await;
            let took = began.elapsed();
            let seen = world.seen().await;
            let line = case.line;
            assert_eq!(seen, expected.iter().copied().collect::<Vec<_>>(), "line {line}: {} {asked:?}", case.url);
            if expected.is_none() {
                assert!(asked.is_err(), "line {line}: {}", case.url);
                refusals.push(took);
            }
        }
    }
    refusals.sort();
    let (median, slowest) = (refusals[refusals.len() / 2], refusals[refusals.len() - 1]);
    println!("{} refusals, zero connects; median {median:?}, slowest {slowest:?}", refusals.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_in_the_environment_is_not_gone_through() {
    let scene = Scene::open(vec![Stall::get("/plain", 10_000)], OPEN).await;
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", proxy.local_addr().expect("an address"));
    let mut command = scene.command(&["fetch", &scene.url("/plain")]);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env(name, &url);
    }
    let output = command.output().await.expect("started");
    assert_eq!((output.status.code(), scene.settlements()), (Some(0), 1), "{output:?}");
    proxy.set_nonblocking(true).expect("set");
    assert!(proxy.accept().is_err(), "somebody came by");
}

/// Where a URL would be gone to, or why not; nothing is connected.
async fn decided(case: &Case, names: Arc<Table>) -> Result<IpAddr, String> {
    let wish = Wish::parse("a", &case.call()).map_err(|wrong| wrong[0].message.clone())?;
    let url = &wish.request.url;
    let door = door(url, Egress { allow: &case.allow }).map_err(|closed| closed.0)?;
    let name = match url.host() {
        Some(Host::Ipv4(ip)) => return Ok(ip.into()),
        Some(Host::Ipv6(ip)) => return Ok(ip.into()),
        Some(Host::Domain(name)) => name.parse().map_err(|_| "not a name".to_owned())?,
        None => return Err("no host".to_owned()),
    };
    let mut found = Guard { door, names }.resolve(name).await.map_err(|closed| closed.to_string())?;
    assert!(door == Door::Opened || url.scheme() == "https", "{url}");
    found.next().map(|address| address.ip()).ok_or_else(|| "it leads nowhere".to_owned())
}

/// Asks for real. `None` is a call that was not understood.
async fn asked(seller: &HttpSeller, case: &Case) -> Result<(), Option<SellerError>> {
    let wish = Wish::parse("a", &case.call()).map_err(|_| None)?;
    seller.ask(&wish.request, Egress { allow: &case.allow }).await.map(drop).map_err(Some)
}

/// What names lead to in one case. The last answer stays.
#[derive(Debug, Default)]
struct Table(Mutex<VecDeque<Vec<IpAddr>>>);

impl Table {
    fn set(&self, answers: &[Vec<IpAddr>]) {
        *self.0.lock().unwrap() = answers.iter().cloned().collect();
    }
}

#[async_trait]
impl Names for Table {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut answers = self.0.lock().unwrap();
        let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        match next {
            Some(found) if !found.is_empty() => Ok(found),
            _ => Err(io::Error::other(format!("{name} is nowhere"))),
        }
    }
}

/// Listeners at every address, and the addresses that were connected to.
struct World {
    ports: Vec<u16>,
    heard: Arc<Mutex<Vec<SocketAddr>>>,
}

impl World {
    async fn listening(ports: impl Iterator<Item = u16>) -> World {
        let ports: Vec<u16> = ports.collect::<BTreeSet<_>>().into_iter().filter(|port| *port != 0).collect();
        let world = World { ports, heard: Arc::default() };
        for port in &world.ports {
            let listener = TcpListener::bind(("::", *port)).await.expect("a port of one's own");
            let heard = world.heard.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    heard.lock().unwrap().push(stream.local_addr().expect("an address"));
                }
            });
        }
        world
    }

    /// Who was connected to since the last time. Connections are accepted in their order, so after one of ours there
    /// is none left from before.
    async fn seen(&self) -> Vec<IpAddr> {
        const OURS: &str = "127.77.77.77";
        let ours: IpAddr = OURS.parse().unwrap();
        for port in &self.ports {
            TcpStream::connect((OURS, *port)).await.expect("somebody listens");
        }
        let is_ours = |address: &SocketAddr| address.ip().to_canonical() == ours;
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.heard.lock().unwrap().iter().filter(|address| is_ours(address)).count() < self.ports.len() {
            assert!(Instant::now() < deadline, "our own connections were not seen");
            tokio::task::yield_now().await;
        }
        let heard = std::mem::take(&mut *self.heard.lock().unwrap());
        heard.iter().filter(|address| !is_ours(address)).map(|address| address.ip().to_canonical()).collect()
    }
}

impl Case {
    fn call(&self) -> Call {
        Call { url: self.url.clone(), ..Call::default() }
    }

    fn port(&self) -> Option<u16> {
        Wish::parse("a", &self.call()).ok()?.request.url.port()
    }
}

fn cases() -> Vec<Case> {
    let (mut cases, mut allow) = (Vec::new(), Vec::new());
    for (number, line) in CASES.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix("allow ") {
            Some(listed) => allow = listed.split(", ").map(str::to_owned).collect(),
            None => cases.push(case(number + 1, line, &allow)),
        }
    }
    assert!(cases.len() >= CASES_AT_LEAST, "{} cases", cases.len());
    cases
}

fn case(line: usize, text: &str, allow: &[String]) -> Case {
    let (asked, seen) = text.split_once(" -> ").unwrap_or_else(|| panic!("line {line} has no arrow"));
    let (url, leads_to) = asked.rsplit_once(" =").unwrap_or((asked, ""));
    let address = |text: &str| text.trim().parse().unwrap_or_else(|_| panic!("line {line}: `{text}` is no address"));
    let list = |text: &str| text.split(',').filter(|text| !text.trim().is_empty()).map(address).collect();
    let one = |text: &str| (text.trim() != "none").then(|| address(text));
    Case {
        line,
        url: url.to_owned(),
        allow: allow.to_vec(),
        leads_to: leads_to.split(';').map(list).collect(),
        seen: seen.split(';').map(one).collect(),
    }
}
