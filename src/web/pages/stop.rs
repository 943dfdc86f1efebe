//! The switch that stops all spending.

use super::PageView;
use super::frame::{Tab, csrf, framed, passphrase};
use crate::answer::Refusal;
use crate::web::html::{Html, html};
use crate::web::words;

pub async fn stop(view: &PageView<'_>) -> Result<Html, Refusal> {
    let content = match view.bursar.frozen().await? {
        None => html!(
            "<h1>Freeze</h1><section class=\"card\"><p>Money is spent within your limits. Freezing stops all of it, at once: \
             nothing is signed by any agent or process until you thaw, and a restart does not change that.</p>\
             <form method=\"post\" action=\"freeze\" class=\"stack\">{}<label>Why (kept in the log, if you like)\
             <input name=\"why\" maxlength=\"200\" autocomplete=\"off\"></label>\
             <button class=\"danger\">Freeze all spending</button></form></section>",
            csrf(view)
        ),
        Some(why) => html!(
            "<h1>Frozen</h1><section class=\"card alarm\"><p>Nothing is signed, by anybody.</p>\
             <dl class=\"terms\"><dt>Why</dt><dd>{}</dd></dl><form method=\"post\" action=\"thaw\" class=\"stack\">{}{}\
             <button class=\"strong\">Thaw</button></form></section>",
            words::line(&why),
            csrf(view),
            passphrase(view, "to thaw")
        ),
    };
    framed(view, Tab::Stop, "Freeze", content).await
}
