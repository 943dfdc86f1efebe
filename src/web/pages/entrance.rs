//! What is seen without a session: the way in. The link's word is sent by itself where JavaScript runs, and can be
//! pasted where it does not.

use super::frame::document;
use crate::web::html::{Html, html};

pub fn entrance(why: Option<&str>) -> Html {
    let why = why.map(|why| html!("<p class=\"said bad\" role=\"status\">{}</p>", why));
    document(
        "Sign in",
        html!(
            "<main id=\"main\" class=\"door\"><img src=\"/review.svg\" alt=\"\" width=\"48\" height=\"48\"><h1>bursar</h1>{}\
             <p>This page opens with a link that only you are given. Run <code>bursar review</code> in a terminal.</p>\
             <form method=\"post\" action=\"/enter\" id=\"enter\"><label for=\"token\">Or paste what stands behind the # of the \
             link</label><input id=\"token\" name=\"token\" autocomplete=\"off\" spellcheck=\"false\" required>\
             <button class=\"strong\">Sign in</button></form></main>",
            why
        ),
    )
}

pub fn nothing_here() -> Html {
    document(
        "Nothing here",
        html!(
            "<main id=\"main\" class=\"door\"><h1>Nothing here</h1><p>There is no such page. <a href=\"overview\">To the \
             overview</a></p></main>"
        ),
    )
}
