use super::*;

fn bursar() -> Launch {
    Launch {
        entry: "bursar".into(),
        program: "/opt/bursar".into(),
        args: ["serve", "--agent", "x"].map(str::to_owned).into(),
    }
}

fn with(text: &str) -> String {
    let with = put(text, "mcpServers", "bursar", &EntryFields::Plain.entry(&bursar())).unwrap();
    assert_eq!(found(&with, "mcpServers", "bursar").unwrap().unwrap().launch, Some(bursar()), "{with}");
    with
}

#[test]
fn what_was_put_in_is_taken_out_to_the_byte() {
    for text in [
        "{\"a\": 1}",
        "{ \"a\": 1 }\n",
        "{\"mcpServers\":{\"a\":{}}}",
        "{\n\t\"a\": 1 // why\n\t// \"b\": 2\n}\n",
        "{\r\n    \"a\": [\r\n    ],\r\n    \"mcpServers\": {\r\n        \"x\": {}, // last\r\n    },\r\n}",
        "{\n  \"mcpServers\": {\n    \"x\": {\n      \"command\": \"y\"\n    }\n  },\n  \"z\": {}\n}",
    ] {
        let with = with(text);
        assert_eq!(take_out(&with, "mcpServers", "bursar").unwrap(), text, "{with}");
    }
}

#[test]
fn an_entry_comes_after_the_others_and_is_indented_like_them() {
    insta::assert_snapshot!(with("{\n    // mine\n    \"mcpServers\": {\n        \"x\": {} // the first\n        // no more\n    }\n}"), @r#"
    {
        // mine
        "mcpServers": {
            "x": {}, // the first
            // no more
            "bursar": {
                "command": "/opt/bursar",
                "args": ["serve", "--agent", "x"]
            }
        }
    }
    "#);
    insta::assert_snapshot!(with("{\"a\": 1, \"mcpServers\": {\"x\": {}}}"), @r#"{"a": 1, "mcpServers": {"x": {}, "bursar": {"command": "/opt/bursar", "args": ["serve", "--agent", "x"]}}}"#);
    insta::assert_snapshot!(with("// nothing yet\n"), @r#"
    // nothing yet
    {
      "mcpServers": {
        "bursar": {
          "command": "/opt/bursar",
          "args": ["serve", "--agent", "x"]
        }
      }
    }
    "#);
    insta::assert_snapshot!(with("{\n  \"mcpServers\": {},\n  \"a\": 1\n}\n"), @r#"
    {
      "mcpServers": {
        "bursar": {
          "command": "/opt/bursar",
          "args": ["serve", "--agent", "x"]
        }
      },
      "a": 1
    }
    "#);
}

#[test]
fn an_entry_that_is_there_is_replaced_where_it_stands() {
    let text = "{\"mcpServers\": {\n  \"bursar\": {\"command\": \"/old/bursar\"}, // mine\n  \"x\": {}\n}}";
    insta::assert_snapshot!(with(text), @r#"
    {"mcpServers": {
      "bursar": {
        "command": "/opt/bursar",
        "args": ["serve", "--agent", "x"]
      }, // mine
      "x": {}
    }}
    "#);
    assert_eq!(take_out(text, "mcpServers", "bursar").unwrap(), "{\"mcpServers\": { // mine\n  \"x\": {}\n}}");
}

#[test]
fn a_comment_before_our_entry_swallows_nothing_when_it_goes() {
    let text = "{\"mcpServers\": { \"x\": {}, // one\n\"bursar\": {\"command\": \"/b/bursar\"}}}";
    let left = take_out(text, "mcpServers", "bursar").unwrap();
    assert!(tree::read(&left).is_ok(), "{left}");
    assert_eq!(left, "{\"mcpServers\": { \"x\": {} // one\n}}");
}

#[test]
fn what_is_not_an_object_or_stands_twice_is_left_alone_with_its_line() {
    let put = |text: &str| {
        put(text, "mcpServers", "bursar", &EntryFields::Plain.entry(&bursar())).map_err(|wrong| wrong.line)
    };
    assert_eq!(put("[]"), Err(Some(1)));
    assert_eq!(put("{\n\"mcpServers\": null}"), Err(Some(2)));
    assert_eq!(put("{\"mcpServers\": {},\n\"mcpServers\": {}}"), Err(Some(2)));
    assert_eq!(put("{\"mcpServers\": {\"bursar\": 1,\n\n\"bu\\u0072sar\": 2}}"), Err(Some(3)));
}
