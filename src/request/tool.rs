//! A call of a tool as a request: its method is [`CALL`], its URL is the server's with the tool's name as the fragment,
//! which no request of HTTP has, and its body is the arguments.

use url::Url;

use super::Request;

/// The method of a request that calls a tool. No agent can write it into a request of HTTP.
pub const CALL: &str = "CALL";

/// The scheme of a server that the owner names in config.toml: a program, spoken to over its stdin and stdout.
pub const PROGRAM: &str = "stdio";

impl Request {
    /// A call of this tool at this server.
    pub fn of_tool(server: &Url, tool: &str, arguments: Vec<u8>) -> Request {
        let mut url = server.clone();
        url.set_fragment(Some(&written(tool)));
        Request { method: CALL.to_owned(), url, headers: Vec::new(), body: arguments }
    }

    /// The tool that is called, if this is a call of one.
    pub fn tool(&self) -> Option<String> {
        (self.method == CALL).then(|| tool_at(&self.url)).flatten()
    }
}

/// The tool whose place this is.
pub fn tool_at(place: &Url) -> Option<String> {
    read(place.fragment()?)
}

/// The server that has it.
pub fn server_at(place: &Url) -> Url {
    let mut server = place.clone();
    server.set_fragment(None);
    server
}

/// Letters, digits and `_.-` as they are: nothing that is written so can be taken for a part of a URL.
fn written(tool: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    tool.bytes().map(one).collect()
}

fn read(written: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match first {
            b'%' => {
                let (code, after) = rest.split_at_checked(2)?;
                rest = after;
                u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok()?
            }
            plain => *plain,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_read_back_whatever_it_is_called() {
        let server = Url::parse("https://api.example.com/mcp?k=1").unwrap();
        for tool in ["weather", "a.b_c-1", "../evil.com/x", "a#b?c=d%20", "日本 ", "@evil.com", "%41"] {
            let request = Request::of_tool(&server, tool, b"{}".to_vec());
            assert_eq!(request.tool().as_deref(), Some(tool));
            assert_eq!((request.url.host_str(), request.url.path()), (server.host_str(), server.path()), "{tool}");
            assert_eq!(server_at(&request.url), server);
            let kept: Request = serde_json::from_str(&serde_json::to_string(&request).unwrap()).unwrap();
            assert_eq!(kept, request);
        }
    }

    #[test]
    fn no_other_request_is_a_call_of_a_tool() {
        let url = Url::parse("https://api.example.com/mcp#weather").unwrap();
        let request = Request { method: "POST".to_owned(), url, headers: vec![], body: vec![] };
        assert_eq!(request.tool(), None);
        assert!(super::super::check_method(CALL).is_err());
    }
}
