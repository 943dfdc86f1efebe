//! Questions that go together: what is asked of a node at the same moment is one request, and what is asked alike is
//! asked once. A node that takes no such request is asked one by one.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};
use url::Url;

use super::json_rpc::{self, NodeFailure};
use super::line::Line;

/// What nodes take in one request; those that take less say so, and are asked the rest alone.
const TOGETHER: usize = 50;

/// What is asked, and not on its way yet.
#[derive(Debug, Default)]
pub struct Gather {
    asked: Mutex<Vec<Asked>>,
    came: Notify,
}

#[derive(Debug)]
struct Asked {
    url: Url,
    method: &'static str,
    params: Value,
    tell: oneshot::Sender<Result<Value, NodeFailure>>,
}

/// One question, and everybody who asked it.
struct Question {
    method: &'static str,
    params: Value,
    tell: Vec<oneshot::Sender<Result<Value, NodeFailure>>>,
}

impl Gather {
    pub async fn ask(&self, url: &Url, method: &'static str, params: Value) -> Result<Value, NodeFailure> {
        let (tell, told) = oneshot::channel();
        let asked = Asked { url: url.clone(), method, params, tell };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        self.came.notify_one();
        told.await.unwrap_or_else(|_| Err(NodeFailure::Silent("it was not asked".to_owned())))
    }

    /// Does work that asks here, and sends what it asks. All that the work can ask before it has to wait goes together.
    pub async fn carry<T>(&self, line: &Line, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut on_the_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                Some(()) = on_the_way.next() => {}
                () = self.came.notified() => {
                    on_the_way.extend(self.take().into_iter().map(|(url, together)| send(line, url, together)));
                }
            }
        }
    }

    /// What is asked of each node, in as many requests as it takes.
    fn take(&self) -> Vec<(Url, Vec<Question>)> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner));
        let mut nodes: Vec<(Url, Vec<Question>)> = Vec::new();
        let mut known: HashMap<(Url, &'static str, String), (usize, usize)> = HashMap::new();
        for Asked { url, method, params, tell } in asked {
            let key = (url.clone(), method, params.to_string());
            if let Some((node, nth)) = known.get(&key) {
                nodes[*node].1[*nth].tell.push(tell);
                continue;
            }
            let has_room = |(of, together): &(Url, Vec<Question>)| *of == url && together.len() < TOGETHER;
            let node = nodes.iter().position(has_room).unwrap_or(nodes.len());
            if node == nodes.len() {
                nodes.push((url, Vec::new()));
            }
            let together = &mut nodes[node].1;
            known.insert(key, (node, together.len()));
            together.push(Question { method, params, tell: vec![tell] });
        }
        nodes
    }
}

async fn send(line: &Line, url: Url, together: Vec<Question>) {
    let answers = match together.len() > 1 && !line.is_asked_alone(&url) {
        true => ask_together(line, &url, &together).await,
        false => Ok(HashMap::new()),
    };
    let answers = match answers {
        Ok(answers) => answers,
        Err(silent) => return together.into_iter().for_each(|question| question.answer(Err(silent.clone()))),
    };
    let (answers, url) = (&answers, &url);
    join_all((0..).zip(together).map(|(nth, question)| async move {
        let answer = match answers.get(&nth) {
            Some(answer) => Ok(answer.clone()),
            None => line.ask_alone(url, question.method, question.params.clone()).await,
        };
        question.answer(answer);
    }))
    .await;
}

/// The answers by their questions' places. What was refused in company may be answered alone; of a node that does not
/// answer at all, nothing more is asked.
async fn ask_together(line: &Line, url: &Url, together: &[Question]) -> Result<HashMap<u64, Value>, NodeFailure> {
    let ask = |(nth, question): (u64, &Question)| json!({ "jsonrpc": "2.0", "id": nth, "method": question.method, "params": question.params });
    let asked = Value::Array((0..).zip(together).map(ask).collect());
    match line.post(url, asked.to_string()).await {
        Ok((_, body)) => match json_rpc::results(&body) {
            Some(answers) => Ok(answers),
            None => {
                line.ask_alone_from_now_on(url);
                Ok(HashMap::new())
            }
        },
        Err(NodeFailure::Silent(cause)) => Err(NodeFailure::Silent(cause)),
        Err(NodeFailure::Refused(_) | NodeFailure::Nonsense(_)) => Ok(HashMap::new()),
    }
}

impl Question {
    fn answer(self, answer: Result<Value, NodeFailure>) {
        for tell in self.tell {
            let _ = tell.send(answer.clone());
        }
    }
}
