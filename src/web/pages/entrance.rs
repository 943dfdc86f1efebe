//! What is seen without a session: the way in. The link's word is sent by itself where JavaScript runs, and can be
//! pasted where it does not. From elsewhere there is no link, but a passphrase and a code.

use super::frame::document;
use crate::web::html::{Html, html};

pub fn entrance(why: Option<&str>) -> Html {
    door(
        why,
        html!(
            "<p>This page opens with a link that only you are given. Run <code>bursar review</code> in a terminal.</p>\
             <form method=\"post\" action=\"/enter\" id=\"enter\"><label for=\"token\">Or paste what stands behind the # of the \
             link</label><input id=\"token\" name=\"token\" autocomplete=\"off\" spellcheck=\"false\" required>\
             <button class=\"strong\">Sign in</button></form>"
        ),
    )
}

/// From elsewhere.
pub fn far_entrance(has_code: bool, to: &str, why: Option<&str>) -> Html {
    let shut = html!(
        "<p>Nobody is let in here yet. Where bursar runs, <code>bursar owner set</code> and <code>bursar owner code</code> \
         make a passphrase and codes.</p>"
    );
    let form = html!(
        "<form method=\"post\" action=\"/sign-in\" id=\"far\"><input type=\"hidden\" name=\"to\" value=\"{}\">\
         <label for=\"passphrase\">Your passphrase</label><input id=\"passphrase\" name=\"passphrase\" type=\"password\" \
         autocomplete=\"current-password\" required><label for=\"code\">The code that your app shows</label>\
         <input id=\"code\" name=\"code\" inputmode=\"numeric\" autocomplete=\"one-time-code\" required>\
         <button class=\"strong\">Sign in</button></form>",
        to
    );
    door(why, if has_code { form } else { shut })
}

fn door(why: Option<&str>, way_in: Html) -> Html {
    let why = why.map(|why| html!("<p class=\"said bad\" role=\"status\">{}</p>", why));
    document(
        "Sign in",
        html!(
            "<main id=\"main\" class=\"door\"><img src=\"/review.svg\" alt=\"\" width=\"48\" height=\"48\"><h1>bursar</h1>\
             {}{}</main>",
            why,
            way_in
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
