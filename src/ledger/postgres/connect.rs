//! Which server is written to, and whether it keeps what it says it has.
//!
//! After a failover two servers may both say that they can be written. The one on the highest timeline leads; one on a
//! lower timeline than was seen before is one that has forgotten.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::ConfigVerifierExt;
use tokio::runtime::Runtime;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::LedgerError;
use super::schema;
use super::wire::{NoAnswer, ServerWire};
use crate::time::Time;

/// How a server proves to be the one that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerProof {
    /// By its certificate, which somebody this machine trusts has signed, or who is named in this file.
    Certificate {
        /// Who has signed it; whoever this machine trusts, otherwise.
        signed_by: Option<PathBuf>,
    },
    /// It need not: the way to it is the owner's word.
    None,
}

/// Whose time a ledger's is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerClock {
    /// The database's, for all machines.
    Server,
    /// This process's own: of histories that are played, in a time of theirs.
    Ours,
}

/// A database, and what is asked of it.
#[derive(Clone, Debug)]
pub struct ServerPlace {
    /// Its servers, whose role is used, and with which password.
    pub config: Config,
    /// How a server proves to be itself; none where the connection does not leave the machine, or nobody wants it.
    pub tls: Option<ClientConfig>,
    /// The schema the wallet's tables lie in.
    pub schema: String,
    /// A commit counts once another server has it as well.
    pub needs_standby: bool,
    /// Whose time it is.
    pub clock: ServerClock,
}

/// What has been seen of the database so far.
#[derive(Default)]
pub struct Seen {
    timeline: AtomicU32,
    system: AtomicU64,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerUse {
    /// Only to look: any server that leads will do.
    Look,
    /// What is signed stands on it: the server has to keep what it is given.
    Write,
}

/// How a server stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerStanding {
    /// Its host and port, or the folder of its socket.
    pub host: String,
    /// How often another server has taken the lead, and one.
    pub timeline: u32,
    /// Which database it is, on whatever server.
    pub system: u64,
    /// As it tells it, such as 15.20.
    pub version: String,
    /// What time it is there.
    pub clock: Time,
    /// Other servers that confirm each commit, as far as this role may see.
    pub standbys: u64,
    /// The wallet's tables are there.
    pub is_begun: bool,
    /// Why nothing may be signed on its word, if that is so.
    pub wrong: Option<String>,
}

/// How long a server may take to be reached.
const CONNECT: Duration = Duration::from_secs(2);

/// Asks every server, and takes the one that leads.
pub fn lead(
    place: &ServerPlace,
    seen: &Seen,
    purpose: ServerUse,
    answer: Duration,
) -> Result<(ServerWire, ServerStanding), LedgerError> {
    let (session, standing) = best(place, seen.timeline(), answer)?;
    seen.check(&standing)?;
    match (purpose, &standing.wrong) {
        (ServerUse::Write, Some(wrong)) => {
            Err(LedgerError::Io(format!("{} does not keep what it is given: {wrong}", standing.host)))
        }
        (ServerUse::Write, None) if place.needs_standby && standing.is_begun && standing.standbys == 0 => {
            Err(LedgerError::Unready(format!(
                "no standby confirms what {} commits, and standby = \"required\" in config.toml asks for one",
                standing.host
            )))
        }
        _ => Ok((session, standing)),
    }
}

/// How the server that leads stands, though nothing may be signed on its word.
pub fn examine(place: &ServerPlace) -> Result<ServerStanding, LedgerError> {
    let (_, standing) = best(place, 0, CONNECT)?;
    Ok(standing)
}

/// The one on the highest timeline. Once one has answered that is as far as any was before, the others are waited for
/// only a moment: what a server that leads no more commits is never clean.
fn best(place: &ServerPlace, timeline: u32, answer: Duration) -> Result<(ServerWire, ServerStanding), LedgerError> {
    const OTHERS: Duration = Duration::from_millis(250);
    let (tell, told) = mpsc::channel();
    for (name, config) in place.each_host() {
        let (tell, place) = (tell.clone(), place.clone());
        thread::spawn(move || _ = tell.send(ask(&place, name, config, answer)));
    }
    drop(tell);
    let mut leads: Option<(ServerWire, ServerStanding)> = None;
    let mut why = Vec::new();
    loop {
        let is_enough = leads.as_ref().is_some_and(|(_, best)| best.timeline >= timeline);
        let asked = match is_enough {
            true => told.recv_timeout(OTHERS).ok(),
            false => told.recv().ok(),
        };
        match asked {
            None => break,
            Some(Err(cause)) => why.push(cause.to_string()),
            Some(Ok(asked)) => {
                if leads.as_ref().is_none_or(|(_, best)| best.timeline < asked.1.timeline) {
                    leads = Some(asked);
                }
            }
        }
    }
    leads.ok_or_else(|| LedgerError::Unready(why.join("; ")))
}

impl Seen {
    /// The highest timeline so far: another one means that another server leads.
    pub fn timeline(&self) -> u32 {
        self.timeline.load(Ordering::Acquire)
    }

    fn check(&self, standing: &ServerStanding) -> Result<(), LedgerError> {
        let system = match self.system.compare_exchange(0, standing.system, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => standing.system,
            Err(known) => known,
        };
        if system != standing.system {
            return Err(LedgerError::Damaged(format!("{} is another database than before", standing.host)));
        }
        let before = self.timeline.fetch_max(standing.timeline, Ordering::AcqRel);
        if before > standing.timeline {
            return Err(LedgerError::Unready(format!(
                "{} is on timeline {}, and {before} was seen before: it has not heard of what came since",
                standing.host, standing.timeline
            )));
        }
        Ok(())
    }
}

impl ServerPlace {
    /// `url` names its servers, the role and the database.
    pub fn at(
        url: &str,
        schema: &str,
        proof: &ServerProof,
        needs_standby: bool,
        password: Option<&str>,
    ) -> Result<ServerPlace, LedgerError> {
        let mut config: Config = url.parse().map_err(|cause| LedgerError::Io(format!("`url` in [ledger]: {cause}")))?;
        password.map(|password| config.password(password));
        let tls = match proof {
            ServerProof::None => None,
            ServerProof::Certificate { signed_by } => Some(trusting(signed_by.as_deref())?),
        };
        Ok(ServerPlace { config, tls, schema: schema.to_owned(), needs_standby, clock: ServerClock::Server })
    }

    /// Each server by itself.
    fn each_host(&self) -> Vec<(String, Config)> {
        let ports = self.config.get_ports();
        let hosts = self.config.get_hosts().iter().enumerate();
        hosts
            .map(|(nth, host)| {
                let port = ports.get(nth).or(ports.first()).copied().unwrap_or(5432);
                let mut config = Config::new();
                let name = match host {
                    Host::Tcp(name) => {
                        config.host(name);
                        format!("{name}:{port}")
                    }
                    #[cfg(unix)]
                    Host::Unix(path) => {
                        config.host_path(path);
                        format!("{}:{port}", path.display())
                    }
                };
                config.port(port).connect_timeout(CONNECT).tcp_user_timeout(Duration::from_secs(4));
                config.keepalives_idle(Duration::from_secs(2)).keepalives_interval(Duration::from_secs(1));
                config.keepalives_retries(3).application_name("bursar");
                config.ssl_mode(if self.tls.is_some() { SslMode::Require } else { SslMode::Disable });
                self.config.get_user().map(|user| config.user(user));
                self.config.get_dbname().map(|name| config.dbname(name));
                self.config.get_password().map(|password| config.password(password));
                (name, config)
            })
            .collect()
    }
}

/// Trusts whom this machine trusts, or whoever is named in a file.
fn trusting(signed_by: Option<&Path>) -> Result<ClientConfig, LedgerError> {
    // The one provider of the whole process; whoever comes second finds it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Some(path) = signed_by else {
        return ClientConfig::with_platform_verifier().map_err(|cause| LedgerError::Io(cause.to_string()));
    };
    let wrong = |cause: String| LedgerError::Io(format!("`ca` in [ledger], {}: {cause}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|cause| wrong(cause.to_string()))? {
        let certificate = certificate.map_err(|cause| wrong(cause.to_string()))?;
        roots.add(certificate).map_err(|cause| wrong(cause.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

fn ask(
    place: &ServerPlace,
    host: String,
    mut config: Config,
    answer: Duration,
) -> Result<(ServerWire, ServerStanding), LedgerError> {
    let mark = mark()?;
    // What shares connections among clients drops this, or refuses it.
    config.options(format!("-c bursar.session={mark}"));
    let unreachable = |why: String| LedgerError::Unready(format!("{host} cannot be reached: {why}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| unreachable(cause.to_string()))?;
    let failed = |failed: NoAnswer| match failed {
        NoAnswer::Refused { why, .. } => unreachable(why),
        NoAnswer::Lost(why) => unreachable(why),
        NoAnswer::Silent => unreachable("it does not answer".to_owned()),
    };
    let session = match &place.tls {
        None => {
            let (client, connection) = in_time(&runtime, config.connect(NoTls)).map_err(failed)?;
            ServerWire::open(runtime, client, mark, answer, connection)
        }
        Some(tls) => {
            let tls = MakeRustlsConnect::new(tls.clone());
            let (client, connection) = in_time(&runtime, config.connect(tls)).map_err(failed)?;
            ServerWire::open(runtime, client, mark, answer, connection)
        }
    };
    let standing = standing(&session, place, host)?;
    Ok((session, standing))
}

/// A server that is stopped still takes connections, and says nothing over them.
fn in_time<T>(
    runtime: &Runtime,
    connecting: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, NoAnswer> {
    let connected = runtime.block_on(async { tokio::time::timeout(CONNECT, connecting).await });
    connected.map_err(|_| NoAnswer::Silent)?.map_err(NoAnswer::from)
}

/// Names one connection.
fn mark() -> Result<String, LedgerError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|cause| LedgerError::Io(cause.to_string()))?;
    Ok(alloy_primitives::hex::encode(bytes))
}

/// How many standbys confirm each commit. Nobody, where that may not be seen.
fn standbys(session: &ServerWire, place: &ServerPlace) -> u64 {
    let text = format!("SELECT {}.ledger_standbys(pg_current_wal_flush_lsn())", schema::quoted(&place.schema));
    let row = session.say(&text, CONNECT).ok().flatten().unwrap_or_default();
    row.into_iter().flatten().next().and_then(|count| count.parse().ok()).unwrap_or_default()
}

/// What a role without rights may ask. A server in recovery has no place to write, and so no timeline to lead on.
const STANDING: &str = "SELECT pg_is_in_recovery(), current_setting('server_version_num'), \
    current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'), \
    (SELECT system_identifier FROM pg_control_system()), \
    CASE WHEN pg_is_in_recovery() THEN 0 ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END, \
    current_setting('bursar.session', true), current_setting('server_version'), \
    floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, current_setting('synchronous_standby_names')";

fn standing(session: &ServerWire, place: &ServerPlace, host: String) -> Result<ServerStanding, LedgerError> {
    let row = session.say(STANDING, CONNECT)?.unwrap_or_default();
    let text = |nth: usize| row.get(nth).cloned().flatten().unwrap_or_default();
    if text(7) != session.mark() {
        return Err(LedgerError::Io(format!(
            "at {host} stands a pooler that shares connections among clients: name the server itself, or have it pool \
             whole sessions and let `options` through"
        )));
    }
    if text(0) != "f" {
        return Err(LedgerError::Unready(format!("{host} is in recovery: it follows another server")));
    }
    let wrong = match (text(2).as_str(), text(3).as_str(), text(4).as_str()) {
        ("off", ..) => Some("`fsync` is off".to_owned()),
        (_, "off", _) => Some("`full_page_writes` is off".to_owned()),
        (.., "off") => Some("`synchronous_commit` is off".to_owned()),
        _ => None,
    };
    let number = |nth: usize| text(nth).parse::<u64>().unwrap_or_default();
    let is_begun = schema::is_there(session, place)?;
    Ok(ServerStanding {
        host,
        timeline: number(6) as u32,
        system: number(5),
        version: text(8),
        clock: Time::from_millis(number(9) as i64),
        // Of a server that waits for nobody there is nothing to ask.
        standbys: if is_begun && !text(10).is_empty() { standbys(session, place) } else { 0 },
        is_begun,
        wrong,
    })
}
