//! What stands around every page: where one is, where else one can go, and whether money may be spent.

use super::PageView;
use crate::answer::Refusal;
use crate::web::charts;
use crate::web::html::{Html, html};
use crate::web::words;

/// The pages one can go to, in the order they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    Overview,
    Purchases,
    Sellers,
    Pending,
    Policy,
    Stop,
}

const PLACES: [(Tab, &str, &str); 5] = [
    (Tab::Overview, "overview", "Overview"),
    (Tab::Purchases, "purchases", "Purchases"),
    (Tab::Sellers, "sellers", "Sellers"),
    (Tab::Pending, "pending", "Waiting"),
    (Tab::Policy, "policy", "Policy"),
];

/// A whole page.
pub async fn framed(view: &PageView<'_>, place: Tab, title: &str, content: Html) -> Result<Html, Refusal> {
    let frozen = view.bursar.frozen().await?;
    let waiting = view.bursar.pending().await?.iter().filter(|question| question.approved_until.is_none()).count();
    let is_changed = view.bursar.held_back().is_some();
    let mark = |of| match of {
        Tab::Pending if waiting > 0 => waiting.to_string(),
        Tab::Policy if is_changed => "changed".to_owned(),
        _ => String::new(),
    };
    let links: Vec<Html> = PLACES.iter().map(|(of, page, name)| link(*of == place, page, name, &mark(*of))).collect();
    let body = html!(
        "<a class=\"skip\" href=\"#main\">Skip to the page</a>{}\
         <header class=\"top\"><a class=\"mark\" href=\"overview\"><img src=\"/review.svg\" alt=\"\" width=\"24\" height=\"24\">bursar</a>\
         <nav aria-label=\"Pages\" data-live=\"nav\">{}</nav>\
         <div class=\"switch\" data-live=\"switch\">{}{}</div></header>\
         <main id=\"main\" tabindex=\"-1\" data-pulse=\"{}\">{}{}</main>",
        charts::hatching(),
        links,
        switch(frozen.is_some(), place),
        leave(view),
        view.pulse,
        view.said.as_ref().map(|said| {
            let class = if said.is_done { "said good" } else { "said bad" };
            html!("<p class=\"{}\" role=\"status\">{}</p>", class, said.text)
        }),
        content
    );
    Ok(document(title, body))
}

fn link(is_here: bool, page: &str, name: &str, mark: &str) -> Html {
    let mark = (!mark.is_empty()).then(|| html!(" <span class=\"count\">{}</span>", mark));
    match is_here {
        true => html!("<a href=\"{}\" aria-current=\"page\">{}{}</a>", page, name, mark),
        false => html!("<a href=\"{}\">{}{}</a>", page, name, mark),
    }
}

/// Whether money may be spent, and the way to change that.
fn switch(is_frozen: bool, place: Tab) -> Html {
    let current = if place == Tab::Stop { "page" } else { "false" };
    match is_frozen {
        true => html!("<a class=\"pill bad\" href=\"stop\" aria-current=\"{}\">Frozen</a>", current),
        false => html!("<a class=\"pill\" href=\"stop\" aria-current=\"{}\">Freeze</a>", current),
    }
}

fn leave(view: &PageView<'_>) -> Html {
    html!("<form method=\"post\" action=\"leave\">{}<button class=\"quiet\">Sign out</button></form>", csrf(view))
}

/// Every form has it.
pub fn csrf(view: &PageView<'_>) -> Html {
    html!("<input type=\"hidden\" name=\"csrf\" value=\"{}\">", view.csrf)
}

/// The owner's passphrase, where there is one: `name` tells one field of a page from another.
pub fn passphrase(view: &PageView<'_>, name: &str) -> Option<Html> {
    view.has_passphrase.then(|| {
        html!(
            "<label>Your passphrase<input type=\"password\" name=\"passphrase\" aria-label=\"{}\" autocomplete=\"off\" \
             required></label>",
            format!("Your passphrase, {name}")
        )
    })
}

/// What is not as it should be, on the page where it was asked for.
pub async fn refused(view: &PageView<'_>, refusal: &Refusal) -> Html {
    let reasons: Vec<Html> =
        refusal.reasons.iter().map(|reason| html!("<p>{}</p>", words::line(&reason.message))).collect();
    let content = html!(
        "<h1>That did not work</h1><section class=\"card alarm\">{}<p class=\"dim\">{}</p></section>",
        reasons,
        words::line(&refusal.next)
    );
    let bare = document("That did not work", html!("<main id=\"main\">{}</main>", content));
    framed(view, Tab::Stop, "That did not work", content).await.unwrap_or(bare)
}

/// The shell of every page.
pub fn document(title: &str, body: Html) -> Html {
    html!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{} · bursar</title>\
         <link rel=\"icon\" href=\"/review.svg\" type=\"image/svg+xml\"><link rel=\"stylesheet\" href=\"/review.css\">\
         <script src=\"/review.js\" defer></script></head><body>{}</body></html>\n",
        title,
        body
    )
}
