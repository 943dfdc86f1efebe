// Keeps a page fresh, signs in with the word behind the #, and adds a few keys. Everything can be read without it.
"use strict";

const REFRESH = { headers: { "x-bursar-refresh": "1" }, cache: "no-store" };

/** The word of the link is sent at once, and does not stay in the address. */
function signIn(form) {
  const token = location.hash.slice(1);
  if (!token) return;
  history.replaceState(null, "", "/");
  form.token.value = token;
  form.submit();
}

/**
 * A browser that is inside remembers the folder of the pages, for this port only, unlike a cookie. So it can be sent to a
 * question by an address that does not say the folder to anybody else.
 */
const ROOM = /^\/([0-9a-f]{24})\//;

function rememberRoom() {
  const room = ROOM.exec(location.pathname);
  if (!room || !document.querySelector("input[name=csrf]")) return;
  try { localStorage.setItem("room", room[1]); } catch { /* Then an address of a question ends at the entrance. */ }
}

/** Only into a folder that still lets this browser in: the page may have been opened anew. */
async function goToQuestion() {
  let room = null;
  try { room = localStorage.getItem("room"); } catch { /* as above */ }
  if (!room || !ROOM.test(`/${room}/`)) return;
  const reply = await fetch(`/${room}/pulse`, REFRESH).catch(() => null);
  if (reply?.ok) location.replace(`/${room}/pending${location.hash}`);
}

/** Asks now and then whether anything has changed since the page was made, and only then for the page itself. */
async function keepFresh() {
  const OFTEN_MS = 2000, AT_LEAST_MS = 30000;
  const main = document.querySelector("main");
  let shownAt = Date.now();
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, OFTEN_MS));
    if (document.hidden) continue;
    try {
      const reply = await fetch("pulse", REFRESH);
      if (reply.status === 401) return signedOut();
      const pulse = await reply.text();
      if (pulse !== main.dataset.pulse || Date.now() - shownAt > AT_LEAST_MS) {
        main.dataset.pulse = await refresh() ?? pulse;
        shownAt = Date.now();
      }
      document.body.classList.remove("stale");
    } catch {
      document.body.classList.add("stale");
    }
  }
}

/** Puts the new parts in the place of the old ones; one that somebody is writing in stays. Answers the new pulse. */
async function refresh() {
  const reply = await fetch(location.href, REFRESH);
  if (!reply.ok) return null;
  const fresh = new DOMParser().parseFromString(await reply.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`);
    if (!next || next.innerHTML === part.innerHTML || isInUse(part)) continue;
    const focused = part.contains(document.activeElement) ? placeOf(document.activeElement, part) : -1;
    part.replaceChildren(...next.childNodes);
    if (focused >= 0) part.querySelectorAll("a, button, summary")[focused]?.focus({ preventScroll: true });
  }
  return fresh.querySelector("main").dataset.pulse;
}

const placeOf = (element, part) => [...part.querySelectorAll("a, button, summary")].indexOf(element);

function isInUse(part) {
  const written = [...part.querySelectorAll("input:not([type=hidden]), textarea")].some((field) => field.value !== field.defaultValue);
  return written || part.querySelector("details[open]") !== null || part.querySelector("input:focus, select:focus") !== null;
}

function signedOut() {
  const note = document.createElement("p");
  note.className = "said bad";
  note.setAttribute("role", "status");
  note.textContent = "You are signed out. Load this page again to sign in.";
  document.querySelector("main").prepend(note);
}

/** "/" goes to the search, j and k from line to line. */
function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
  const lines = [...document.querySelectorAll("table.log a")];
  const here = lines.indexOf(document.activeElement);
  const goals = { "/": document.querySelector("input[type=search]"), j: lines[here + 1], k: lines[Math.max(here - 1, 0)] };
  if (!goals[event.key]) return;
  goals[event.key].focus();
  event.preventDefault();
}

const enter = document.getElementById("enter"), far = document.getElementById("far");
if (far) {
  if (location.hash) far.to.value = location.hash.slice(1);
  if (location.pathname === "/question") goToQuestion();
} else if (enter && location.pathname === "/question") {
  goToQuestion();
} else if (enter) {
  signIn(enter);
  addEventListener("hashchange", () => signIn(enter));
} else {
  rememberRoom();
  document.addEventListener("keydown", keys);
  keepFresh();
}
