//! Somebody at the review page. Requests are written by hand, so that a test can lie where a browser would not.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Whoever came in through a link.
pub struct Visitor {
    pub host: String,
    pub room: String,
    pub cookie: String,
    pub csrf: String,
}

pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Visitor {
    pub async fn by(link: &str) -> Visitor {
        let (origin, token) = link.split_once("/#").expect("a link");
        let host = origin.trim_start_matches("http://").to_owned();
        let entered = enter(&host, token).await;
        assert_eq!(entered.status, 303);
        let cookie = entered.header("set-cookie").split(';').next().unwrap().to_owned();
        let (room, page) = entered.header("location").rsplit_once('/').expect("a page");
        let mut visitor = Visitor { host, room: format!("{room}/"), cookie, csrf: String::new() };
        visitor.csrf = visitor.look(page).await.field("csrf");
        visitor
    }

    pub async fn look(&self, page: &str) -> Reply {
        self.get(page, "").await
    }

    pub async fn get(&self, page: &str, headers: &str) -> Reply {
        let (host, room, cookie) = (&self.host, &self.room, &self.cookie);
        let page = page.split('#').next().unwrap_or_default();
        send(host, format!("GET {room}{page} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n{headers}\r\n")).await
    }

    /// A form as the page itself would send it.
    pub async fn send(&self, action: &str, fields: &[(&str, &str)]) -> Reply {
        let ours =
            format!("Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\nCookie: {}\r\n", self.host, self.cookie);
        self.post(action, &ours, &[&[("csrf", self.csrf.as_str())], fields].concat()).await
    }

    pub async fn post(&self, action: &str, headers: &str, fields: &[(&str, &str)]) -> Reply {
        let (host, room, body) = (&self.host, &self.room, form(fields));
        let head = format!("POST {room}{action} HTTP/1.1\r\nHost: {host}\r\n{headers}");
        send(host, format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await
    }

    /// Answers the question that is shown first, with what its form holds.
    pub async fn answer(&self, action: &str) -> Reply {
        let shown = self.look("pending").await;
        let (agent, id, terms) = (shown.field("agent"), shown.field("id"), shown.field("terms"));
        self.send(action, &[("agent", &agent), ("id", &id), ("terms", &terms)]).await
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value).next().unwrap_or_default()
    }

    /// The value of the first hidden field of that name.
    pub fn field(&self, name: &str) -> String {
        let (_, rest) = self.body.split_once(&format!("name=\"{name}\" value=\"")).expect(name);
        rest.split('"').next().unwrap().replace("&quot;", "\"").replace("&amp;", "&")
    }
}

pub async fn enter(host: &str, token: &str) -> Reply {
    let body = form(&[("token", token)]);
    let head = format!("POST /enter HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n");
    send(host, format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await
}

/// Whatever is written goes out as it is.
pub async fn send(host: &str, request: String) -> Reply {
    let mut stream = TcpStream::connect(host).await.unwrap();
    let _ = stream.write_all(request.as_bytes()).await;
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    let reply = String::from_utf8(reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((&reply, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Reply { status, head: head.to_owned(), body: body.to_owned() }
}

pub fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
