//! What stands around every page: where one is, where else one can go, and whether money may be spent.

use super::View;
use crate::bursar::Refusal;
use crate::web::charts;
use crate::web::html::{Html, html};
use crate::web::words;

/// The pages one can go to, in the order they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Overview,
    Purchases,
    Pending,
    Policy,
    Stop,
}

const PLACES: [(Place, &str, &str); 4] = [
    (Place::Overview, "overview", "Overview"),
    (Place::Purchases, "purchases", "Purchases"),
    (Place::Pending, "pending", "Waiting"),
    (Place::Policy, "policy", "Policy"),
];

/// A whole page.
pub async fn framed(view: &View<'_>, place: Place, title: &str, content: Html) -> Result<Html, Refusal> {
    let frozen = view.bursar.frozen().await?;
    let waiting = view.bursar.pending().await?.iter().filter(|question| question.approved_until.is_none()).count();
    let links: Vec<Html> = PLACES.iter().map(|(of, page, name)| link(*of == place, page, name, *of, waiting)).collect();
    let body = html!(
        "<a class=\"skip\" href=\"#main\">Skip to the page</a>{}\
         <header class=\"top\"><a class=\"mark\" href=\"overview\"><img src=\"/review.svg\" alt=\"\" width=\"24\" height=\"24\">bursar</a>\
         <nav aria-label=\"Pages\" data-live=\"nav\">{}</nav>\
         <div class=\"switch\" data-live=\"switch\">{}{}</div></header>\
         <main id=\"main\" tabindex=\"-1\">{}{}</main>",
        charts::hatching(),
        links,
        switch(frozen.is_some(), place),
        leave(view),
        view.said.as_ref().map(|said| {
            let class = if said.is_done { "said good" } else { "said bad" };
            html!("<p class=\"{}\" role=\"status\">{}</p>", class, said.text)
        }),
        content
    );
    Ok(document(title, body))
}

fn link(is_here: bool, page: &str, name: &str, place: Place, waiting: usize) -> Html {
    let count = (place == Place::Pending && waiting > 0).then(|| html!(" <span class=\"count\">{}</span>", waiting));
    match is_here {
        true => html!("<a href=\"{}\" aria-current=\"page\">{}{}</a>", page, name, count),
        false => html!("<a href=\"{}\">{}{}</a>", page, name, count),
    }
}

/// Whether money may be spent, and the way to change that.
fn switch(is_frozen: bool, place: Place) -> Html {
    let current = if place == Place::Stop { "page" } else { "false" };
    match is_frozen {
        true => html!("<a class=\"pill bad\" href=\"stop\" aria-current=\"{}\">Frozen</a>", current),
        false => html!("<a class=\"pill\" href=\"stop\" aria-current=\"{}\">Freeze</a>", current),
    }
}

fn leave(view: &View<'_>) -> Html {
    html!("<form method=\"post\" action=\"leave\">{}<button class=\"quiet\">Sign out</button></form>", csrf(view))
}

/// Every form has it.
pub fn csrf(view: &View<'_>) -> Html {
    html!("<input type=\"hidden\" name=\"csrf\" value=\"{}\">", view.csrf)
}

/// What is not as it should be, on the page where it was asked for.
pub async fn refused(view: &View<'_>, refusal: &Refusal) -> Html {
    let reasons: Vec<Html> =
        refusal.reasons.iter().map(|reason| html!("<p>{}</p>", words::line(&reason.message))).collect();
    let content = html!(
        "<h1>That did not work</h1><section class=\"card alarm\">{}<p class=\"dim\">{}</p></section>",
        reasons,
        words::line(&refusal.next)
    );
    let bare = document("That did not work", html!("<main id=\"main\">{}</main>", content));
    framed(view, Place::Stop, "That did not work", content).await.unwrap_or(bare)
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
