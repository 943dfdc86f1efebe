//! The doors that news leaves this machine by. Each has a line of its own, in which words wait in their order; what
//! cannot be delivered is tried again a few times, and then stands in the log alone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::command::OwnProgram;
use super::ntfy::Topic;
use super::webhook::Hook;
use super::word::Word;
use crate::clock::SystemClock;
use crate::config::{Home, Notices};
use crate::limits;
use crate::outward::{self, OutwardClient};
use crate::time::Clock;

/// Words that wait at one door. A receiver that is down must not gather more.
const WAITING: usize = 64;
/// Before each further try.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(600)];

/// All doors that are open. Words are delivered while this process runs.
pub struct Doors {
    lines: Mutex<Vec<Queue>>,
}

struct Queue {
    name: String,
    words: Sender<Arc<Word>>,
    delivering: JoinHandle<()>,
}

enum Door {
    Command(OwnProgram),
    Ntfy(Topic),
    Webhook(Hook),
}

/// Why a word was not delivered.
struct Undelivered {
    why: String,
    /// Whether the same word may be delivered again.
    again: bool,
}

impl Doors {
    /// Opens what the owner named. What cannot be opened stays shut, and is said.
    pub fn open(home: &Home, notices: &Notices) -> Doors {
        let open = |door| match door {
            Ok(door) => Some(Queue::before(door)),
            Err(wrong) => {
                tracing::warn!("{wrong}; nothing is told there");
                None
            }
        };
        Doors { lines: Mutex::new(all(home, notices).into_iter().filter_map(open).collect()) }
    }

    /// The names of those that would open, and what is wrong with the others.
    pub fn look(home: &Home, notices: &Notices) -> Vec<Result<String, String>> {
        all(home, notices).into_iter().map(|door| door.map(|door| door.name())).collect()
    }

    /// Says a word at each of them. Nobody waits.
    pub fn tell(&self, word: Word) {
        let word = Arc::new(word);
        for line in self.lines().iter() {
            if line.words.try_send(word.clone()).is_err() {
                tracing::warn!("{} takes nothing at present: what is new stands in the log", line.name);
            }
        }
    }

    /// Takes no more words, and gives those that are on their way a moment.
    pub async fn close(&self) {
        let lines = std::mem::take(&mut *self.lines());
        let leaving = lines.into_iter().map(|line| {
            drop(line.words);
            line.delivering
        });
        let mut leaving: Vec<JoinHandle<()>> = leaving.collect();
        let all = futures_util::future::join_all(leaving.iter_mut());
        if timeout(limits::NEWS_LEAVING, all).await.is_err() {
            leaving.iter().for_each(JoinHandle::abort);
            tracing::warn!("some of what is new could not be told elsewhere; it stands in the log");
        }
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Vec<Queue>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn before(door: Door) -> Queue {
        let (words, waiting) = mpsc::channel(WAITING);
        let name = door.name();
        Queue { name, words, delivering: tokio::spawn(deliver(door, waiting)) }
    }
}

impl Door {
    fn name(&self) -> String {
        match self {
            Door::Command(program) => program.name(),
            Door::Ntfy(topic) => topic.name(),
            Door::Webhook(hook) => hook.name(),
        }
    }

    async fn send(&self, word: &Word, client: &OutwardClient) -> Result<(), Undelivered> {
        match self {
            // Whether it did half of its work is not known, so it is not started twice for one word.
            Door::Command(program) => match timeout(limits::NEWS_COMMAND, program.run(word)).await {
                Ok(ran) => ran.map_err(|why| Undelivered { why, again: false }),
                Err(_) => Err(Undelivered { why: "it took too long, and was stopped".to_owned(), again: false }),
            },
            Door::Ntfy(topic) => post(topic.request(client.get().map_err(again)?, word)).await,
            Door::Webhook(hook) => post(hook.request(client.get().map_err(again)?, word, SystemClock.now())).await,
        }
    }
}

fn all(home: &Home, notices: &Notices) -> Vec<Result<Door, String>> {
    let hook = notices.webhook.as_ref().map(|webhook| {
        Hook::of(home, webhook).map(Door::Webhook).map_err(|wrong| format!("the webhook stays shut: {wrong}"))
    });
    let topic = notices
        .ntfy
        .as_ref()
        .map(|ntfy| Topic::of(home, ntfy).map(Door::Ntfy).map_err(|wrong| format!("ntfy stays shut: {wrong}")));
    let program = OwnProgram::of(&notices.command).map(|program| match program.is_there() {
        Ok(()) => Ok(Door::Command(program)),
        Err(wrong) => Err(format!("{} stays shut: {wrong}", program.name())),
    });
    [hook, topic, program].into_iter().flatten().collect()
}

/// Until nobody puts words into the line any more.
async fn deliver(door: Door, mut waiting: Receiver<Arc<Word>>) {
    let client = OutwardClient::default();
    while let Some(word) = waiting.recv().await {
        let mut pauses = PAUSES.into_iter();
        while let Err(Undelivered { why, again }) = door.send(&word, &client).await {
            let Some(pause) = pauses.next().filter(|_| again && !word.is_stale(SystemClock.now())) else {
                tracing::warn!("{} was not told what is new: {why}; it stands in the log", door.name());
                break;
            };
            tracing::debug!("{} was not told what is new, and will be: {why}", door.name());
            sleep(pause).await;
        }
    }
}

fn again(why: String) -> Undelivered {
    Undelivered { why, again: true }
}

async fn post(request: reqwest::RequestBuilder) -> Result<(), Undelivered> {
    let reply = request.timeout(limits::NEWS_WAIT).send().await.map_err(|cause| again(outward::root(&cause)))?;
    let status = reply.status();
    match status.is_success() {
        true => Ok(()),
        // What it does not want, it will not want later either.
        false => Err(Undelivered {
            why: format!("it answered with {status}"),
            again: !status.is_client_error() || [408, 425, 429].contains(&status.as_u16()),
        }),
    }
}
