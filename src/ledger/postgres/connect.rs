//! Which server is written to, and whether it keeps what it says it has.
//!
//! After a failover two servers may both say that they can be written. The one on the highest timeline leads; one on a
//! lower timeline than was seen before is one that has forgotten.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::ConfigVerifierExt;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::LedgerError;
use super::wire::{NoAnswer, ServerWire};

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
    /// Counts the connections for writing that were made.
    pub generation: AtomicU64,
}

/// How a server stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerStanding {
    pub host: String,
    pub timeline: u32,
    pub system: u64,
    pub version: u32,
    /// Why nothing may be signed on its word, if that is so.
    pub wrong: Option<String>,
}

/// How long a server may take to be reached.
const CONNECT: Duration = Duration::from_secs(2);

/// Asks every server, and takes the one that leads.
pub fn lead(place: &ServerPlace, seen: &Seen, answer: Duration) -> Result<(ServerWire, ServerStanding), LedgerError> {
    let hosts = place.each_host();
    let asked: Vec<Result<(ServerWire, ServerStanding), LedgerError>> = thread::scope(|scope| {
        let asking: Vec<_> =
            hosts.into_iter().map(|(name, config)| scope.spawn(move || ask(place, name, config, answer))).collect();
        asking.into_iter().map(|asked| asked.join().unwrap_or_else(|_| Err(LedgerError::gone()))).collect()
    });
    let mut leads = None;
    let mut why = LedgerError::Io("no server is named".to_owned());
    for asked in asked {
        match asked {
            Ok((session, standing)) => {
                if leads
                    .as_ref()
                    .is_none_or(|(_, best): &(ServerWire, ServerStanding)| best.timeline < standing.timeline)
                {
                    leads = Some((session, standing));
                }
            }
            Err(cause) => why = cause,
        }
    }
    let (session, standing) = leads.ok_or(why)?;
    seen.check(&standing)?;
    match &standing.wrong {
        Some(wrong) => Err(LedgerError::Io(format!("{} does not keep what it is given: {wrong}", standing.host))),
        None => Ok((session, standing)),
    }
}

impl Seen {
    fn check(&self, standing: &ServerStanding) -> Result<(), LedgerError> {
        let before = self.timeline.fetch_max(standing.timeline, Ordering::AcqRel);
        let system = match self.system.compare_exchange(0, standing.system, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => standing.system,
            Err(known) => known,
        };
        if system != standing.system {
            return Err(LedgerError::Damaged(format!("{} is another database than before", standing.host)));
        }
        if before > standing.timeline {
            return Err(LedgerError::Io(format!(
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
    let unreachable = |why: String| LedgerError::Io(format!("{host} cannot be reached: {why}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| unreachable(cause.to_string()))?;
    let failed = |error: tokio_postgres::Error| match NoAnswer::from(error) {
        NoAnswer::Refused { why, .. } => unreachable(why),
        NoAnswer::Lost(why) => unreachable(why),
        NoAnswer::Silent => unreachable("it does not answer".to_owned()),
    };
    let session = match &place.tls {
        None => {
            let (client, connection) = runtime.block_on(config.connect(NoTls)).map_err(failed)?;
            ServerWire::open(runtime, client, mark, answer, connection)
        }
        Some(tls) => {
            let tls = MakeRustlsConnect::new(tls.clone());
            let (client, connection) = runtime.block_on(config.connect(tls)).map_err(failed)?;
            ServerWire::open(runtime, client, mark, answer, connection)
        }
    };
    let standing = standing(&session, host)?;
    Ok((session, standing))
}

/// Names one connection.
fn mark() -> Result<String, LedgerError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|cause| LedgerError::Io(cause.to_string()))?;
    Ok(alloy_primitives::hex::encode(bytes))
}

/// What a role without rights may ask. A server in recovery has no place to write, and so no timeline to lead on.
const STANDING: &str = "SELECT pg_is_in_recovery(), current_setting('server_version_num'), \
    current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'), \
    (SELECT system_identifier FROM pg_control_system()), \
    CASE WHEN pg_is_in_recovery() THEN 0 ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END, \
    current_setting('bursar.session', true)";

fn standing(session: &ServerWire, host: String) -> Result<ServerStanding, LedgerError> {
    let row = session.say(STANDING, CONNECT)?.unwrap_or_default();
    let text = |nth: usize| row.get(nth).cloned().flatten().unwrap_or_default();
    if text(7) != session.mark() {
        return Err(LedgerError::Io(format!(
            "at {host} stands a pooler that shares connections among clients: name the server itself, or have it pool \
             whole sessions and let `options` through"
        )));
    }
    if text(0) != "f" {
        return Err(LedgerError::Io(format!("{host} is in recovery: it follows another server")));
    }
    let wrong = match (text(2).as_str(), text(3).as_str(), text(4).as_str()) {
        ("off", ..) => Some("`fsync` is off".to_owned()),
        (_, "off", _) => Some("`full_page_writes` is off".to_owned()),
        (.., "off") => Some("`synchronous_commit` is off".to_owned()),
        _ => None,
    };
    let number = |nth: usize| text(nth).parse::<u64>().unwrap_or_default();
    Ok(ServerStanding { host, timeline: number(6) as u32, system: number(5), version: number(1) as u32, wrong })
}
