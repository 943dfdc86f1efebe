//! Every bound bursar keeps, in one place, each with its reason.

use std::time::Duration;

/// A bazaar schema makes a challenge header several KB; nothing honest needs more than this.
pub const CHALLENGE_HEADER_BYTES: usize = 64 * 1024;
/// A v1 challenge is a body; with HTML around it, it still fits.
pub const CHALLENGE_BODY_BYTES: usize = 256 * 1024;
/// Of one parameter of an MPP challenge the reference servers read this much themselves.
pub const MPP_PARAMETER_BYTES: usize = 16 * 1024;
/// A seller on every known chain with every scheme stays below this.
pub const OFFERS: usize = 32;
/// A signed offer or receipt with its signature is about one KB; the URL in it may be long.
pub const SIGNED_DOCUMENT_BYTES: usize = 8 * 1024;
/// The name of a key that is in its own name; a JWK makes some 250 bytes.
pub const DID_BYTES: usize = 1024;
/// As much of such a name as tells it from others.
pub const SHOWN_DID: usize = 72;
/// A receipt is issued after its payment was authorized and before it comes, by clocks that may be as far apart as this.
pub const RECEIPT_CLOCKS: Duration = Duration::from_secs(3600);
/// The end of the year 9999: later times are nobody's.
pub const LAST_SECOND: i64 = 253_402_300_799;
/// Followed by hand, each hop checked like the first.
pub const REDIRECTS: usize = 3;
/// Below this, a facilitator (which wants six seconds left) may refuse what we signed.
pub const WINDOW_AT_LEAST: Duration = Duration::from_secs(10);
/// A seller that asks for longer than this does not want a payment, it wants a standing order.
pub const WINDOW_AT_MOST: Duration = Duration::from_secs(900);
/// Tempo takes no transaction without a number that is good for longer than 30 s by its own clock, which is not ours.
pub const TEMPO_WINDOW: Duration = Duration::from_secs(25);
/// What a transfer on Tempo may use: 51,000 to whoever has some of the asset, and 300,000 to whoever has none. Sellers try
/// it out first, and such a trial, which has no signature, is counted with up to 784,000.
pub const TEMPO_GAS: u64 = 1_000_000;
/// What a unit of gas may cost on Tempo, in 10^-18 dollars: half more than the chain asks for.
pub const TEMPO_MAX_FEE: u64 = 30_000_000_000;
/// How long from now a signature may be of use to whoever holds it.
pub const WINDOW_ENDS_WITHIN: Duration = Duration::from_secs(300);
/// Clocks differ: an authorization is valid from a little before it was made.
pub const WINDOW_STARTS_BEFORE: Duration = Duration::from_secs(600);
/// The same bytes are shown to a seller this often and no more.
pub const PRESENTS: u32 = 3;
/// The same where the payment names its purchase by an id: such a seller knows it again, and does the work once.
pub const PRESENTS_BY_ID: u32 = 10;
/// The unpaid request: nothing is at stake, so nobody waits long.
pub const UNPAID_LEG: Duration = Duration::from_secs(20);
/// Facilitators take up to 90 s to settle; giving up earlier would create the doubt we are here to avoid.
pub const PAID_LEG: Duration = Duration::from_secs(120);
/// A paid answer that has begun, its receipt in hand, is read for so long: slow goods are still goods.
pub const PAID_BODY: Duration = Duration::from_secs(600);
/// Connecting is part of either leg, and never takes this long when it works.
pub const CONNECT: Duration = Duration::from_secs(10);
/// Bodies are kept whole up to here, so that paid goods are not lost to a small answer.
pub const STORED_BODY_BYTES: usize = 32 * 1024 * 1024;
/// A body beyond this is written to a file as it comes, and its beginning is all that is held in memory.
pub const HELD_BODY_BYTES: usize = 256 * 1024;
/// All stored bodies together; what was free goes first, and of each the oldest.
pub const STORED_BODIES_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// What was free can be had again: its stored body is kept this long.
pub const FREE_BODY_KEPT: Duration = Duration::from_secs(3600);
/// What a model gets in one answer unless it asks for more or less.
pub const ANSWER_CHARS: usize = 20_000;
/// The most it may ask for: hosts cut or file away longer answers.
pub const ANSWER_CHARS_AT_MOST: usize = 400_000;
/// A result that goes on to whoever called the tool goes on whole; its body stands once in it.
pub const RELAYED_CHARS: usize = 2 * STORED_BODY_BYTES;
/// Calls that one server answers at a time. A page's sub-agents are fewer; more than this is a flood, and every one of
/// them takes memory.
pub const CALLS_AT_ONCE: usize = 256;
/// Hosts give up at 60 s; an answer is given before that, whatever happens.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(45);
/// A call waits this long for a person, and only while there is a door to answer at; with the unpaid leg before it, it
/// still answers in time.
pub const OWNER_WAIT: Duration = Duration::from_secs(25);
/// A person was shown this question a moment ago: an agent that asks again does not make it pop up again.
pub const SHOWN_AGAIN: Duration = Duration::from_secs(600);
/// Sellers forget what they asked for; after this long they are asked again before they are paid.
pub const CHALLENGE_KEPT: Duration = Duration::from_secs(600);
/// Questions one agent may have before its owner at a time.
pub const PENDING_QUESTIONS: usize = 5;
/// Refusals one agent may add to the log in a minute; further ones are counted only.
pub const REFUSALS_LISTED_PER_MINUTE: usize = 10;
/// Refused purchases that are added up by what was missing; each has its offers with it.
pub const REFUSALS_ADDED_UP: usize = 100_000;
/// Free answers one agent may add to the log and the store in a minute; further ones are counted only.
pub const FREE_LISTED_PER_MINUTE: usize = 10;
/// Sign-ins of one agent in a minute: each is signed, synced to the disk and brings its answer into the store.
pub const SIGN_INS_PER_MINUTE: usize = 10;
/// A seller asks for a sign-in in the challenge itself; one that is older was asked for in another's.
pub const SIGN_IN_AGE: Duration = Duration::from_secs(300);
/// What is signed at a sign-in, in all: servers take 8 to 16 KiB of headers, and it goes into one.
pub const SIGN_IN_BYTES: usize = 4096;
/// A sentence, of which nobody reads more.
pub const SIGN_IN_STATEMENT_BYTES: usize = 300;
/// What a sign-in may name beside its URI. The reference sellers name one.
pub const SIGN_IN_RESOURCES: usize = 8;
/// A clock further off than this signs windows that are not what they say.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);
/// A chain's newest block may be as old as this: some are made every few seconds, and some nodes are slow to hear of it.
pub const BLOCKS_MAY_LAG: Duration = Duration::from_secs(30);
/// Nodes of one chain are this many blocks apart at the most. A use in a block further above every other head is a lie.
pub const BLOCKS_APART: u64 = 64;
/// Balances are good to know, and nobody waits long for them.
pub const FUNDS_WAIT: Duration = Duration::from_secs(1);
/// What a scheme must know of a chain before it signs is waited for this long: without it, it is not signed.
pub const GROUND_WAIT: Duration = Duration::from_secs(5);
/// An allowance changes when its owner or a payment changes it; after this long it is read anew all the same.
pub const GROUND_KEPT: Duration = Duration::from_secs(60);
/// A block of Solana's is named in what is signed for so long after it was told: each second costs the seller five of the
/// 150 that it has.
pub const BLOCK_IS_YOUNG: Duration = Duration::from_secs(10);
/// What is kept is taken for so long: unlocking a key takes a while too.
pub const BLOCK_IS_TAKEN: Duration = Duration::from_secs(6);
/// A newer one is asked for this often, for as long as somebody may pay with it.
pub const BLOCK_IS_RENEWED: Duration = Duration::from_secs(4);
/// So long after the last look at a seller.
pub const BLOCK_IS_WANTED: Duration = Duration::from_secs(60);
/// Where no node answers, a seller's block is named for so long after the last one that a node told.
pub const BLOCK_IS_OF_USE: Duration = Duration::from_secs(600);
/// Blocks of Solana's by which an authorization ends later than it has to: nodes are behind each other.
pub const BLOCKS_TO_SPARE: u64 = 32;
/// So often Solana makes no block: one of its slots is longer.
pub const SLOT_AT_LEAST: Duration = Duration::from_millis(100);
/// And so seldom it makes one, as windows are shown.
pub const SLOT_AT_MOST: Duration = Duration::from_millis(500);
/// A payment is looked for among what is in blocks from so long before it was signed: clocks are apart.
pub const LOOKED_FOR_BEFORE: Duration = Duration::from_secs(600);
/// And up to so long after it ends.
pub const LOOKED_FOR_AFTER: Duration = Duration::from_secs(900);
/// What is written beside a payment on Solana, as x402 bounds it.
pub const SOLANA_MEMO_BYTES: usize = 256;
/// An approval is in a block within this, or its owner looks again.
pub const APPROVAL_WAIT: Duration = Duration::from_secs(60);
/// How often it is looked for.
pub const APPROVAL_LOOK: Duration = Duration::from_secs(1);
/// So many blocks are searched once more for money that left: a second node may have been behind.
pub const SEARCHED_AGAIN: u64 = 300;
/// Of what a chain transaction was called with, this much is searched for authorizations of ours: what settles one is far
/// shorter.
pub const CALL_READ_BYTES: usize = 32 * 1024;
/// Where money is waited for: how soon it is looked for again at first, for a faucet is quick.
pub const WATCH_OFTEN: Duration = Duration::from_secs(2);
/// And later: public nodes are nobody's own, and a person looks away.
pub const WATCH_SELDOM: Duration = Duration::from_secs(60);
/// What did not come in a day was not sent here.
pub const WATCH_AT_MOST: Duration = Duration::from_secs(24 * 3600);
/// Waiting longer than this for the ledger is a refusal: the caller still has time to hear it.
pub const LEDGER_WAIT: Duration = Duration::from_secs(10);
/// Letting go or wiping before an answer: the answer itself must not come late because of it.
pub const HAND_OVER: Duration = Duration::from_secs(2);
/// A body up to here is filed in the ledger with its row: a file of its own would cost more than all of its writing.
pub const SMALL_BODY_BYTES: usize = 8 * 1024;
/// How many purchases back small bodies are kept.
pub const SMALL_BODIES: usize = 64 * 1024;
/// Purchases that share one commit. More would make the first wait for the last.
pub const COMMIT_BATCH: usize = 64;
/// After closing stdin or SIGTERM, presented purchases get this long to close.
pub const DRAIN: Duration = Duration::from_secs(120);
/// A settled purchase without goods is offered for resuming this long.
pub const OPEN_AFTER_SETTLED: Duration = Duration::from_secs(24 * 3600);
/// Beyond its window by every clock we can ask, an unused authorization may be followed by a new purchase.
pub const PAST_WINDOW: Duration = Duration::from_secs(60);
/// How far back a price at the same place is remembered.
pub const PRICE_MEMORY: Duration = Duration::from_secs(30 * 24 * 3600);
/// What an agent is told of a seller before it pays goes this far back: long enough to know it, and it can mend its ways.
pub const SELLER_MEMORY: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long money that brought nothing speaks against who took it.
pub const UNDELIVERED_MEMORY: Duration = Duration::from_secs(24 * 3600);
/// A breaker that trips again within this is no news to the owner, nor is a server that changes its tools again.
pub const BREAKER_QUIET: Duration = Duration::from_secs(24 * 3600);
/// Of a budget: more than this much of it spent, and the owner is told.
pub const NOTICE_PERCENT: u64 = 80;
/// A keyring may show a prompt and block; nobody waits longer than this for it.
pub const KEYRING_WAIT: Duration = Duration::from_secs(10);
/// A person at a terminal types a passphrase.
pub const TYPING_WAIT: Duration = Duration::from_secs(300);
/// Shorter than this is guessed, however slowly each guess is checked.
pub const PASSPHRASE_CHARS: usize = 8;
/// A key not used for this long is dropped from memory.
pub const KEY_IDLE: Duration = Duration::from_secs(300);
/// One question to one node.
pub const RPC_WAIT: Duration = Duration::from_secs(5);
/// Payments whose fate is asked for together.
pub const ASKED_TOGETHER: usize = 100;
/// Where silence of the logs is what is believed: every machine behind an address has those of blocks older than this.
pub const LOGS_ARE_LATE: Duration = Duration::from_secs(60);
/// Text of others that is shown in a sentence of ours.
pub const QUOTED_CHARS: usize = 200;
/// One try to deliver what is new to a receiver of the owner's.
pub const NEWS_WAIT: Duration = Duration::from_secs(10);
/// What a program of the owner's gets to pass it on.
pub const NEWS_COMMAND: Duration = Duration::from_secs(30);
/// What is on its way when a program leaves is waited for this long.
pub const NEWS_LEAVING: Duration = Duration::from_secs(3);
/// A note on the desktop is read at a glance.
pub const NOTE_CHARS: usize = 400;
/// A URL longer than this is not one a seller wrote.
pub const URL_CHARS: usize = 8_192;
/// The specification's own bound on the name of a tool.
pub const TOOL_NAME_CHARS: usize = 128;
/// Pages of a list of tools that are turned; a list without end has more.
pub const PAGES_OF_TOOLS: usize = 10;
/// Tools of one server whose words are remembered.
pub const TOOLS_KNOWN: usize = 500;
/// What an MCP server may ask of us while we wait for its answer: each costs a request, and the answer is no.
pub const SERVER_QUESTIONS: usize = 32;
/// A fleet of agents speaks to fewer at a time; past this they are found out anew.
pub const SERVERS_KNOWN: usize = 64;
/// An interpreter with large libraries, on a machine that has other things to do.
pub const PROGRAM_STARTS: Duration = Duration::from_secs(40);
/// What an owner calls a program of theirs: as long as a host name's part may be.
pub const PROGRAM_NAME_CHARS: usize = 63;
/// What an agent may send as a body.
pub const REQUEST_BODY_BYTES: usize = 1024 * 1024;
/// How many headers, and how much of them, an agent may send.
pub const REQUEST_HEADERS: usize = 32;
/// Of all headers of a request together.
pub const REQUEST_HEADER_BYTES: usize = 8 * 1024;
/// A link to the review page: long enough to find the browser, too short to be of use to whoever finds it later.
pub const REVIEW_LINK: Duration = Duration::from_secs(300);
/// A review page nobody has touched for this long asks for a new link.
pub const REVIEW_IDLE: Duration = Duration::from_secs(1800);
/// Guesses at the owner's passphrase in one session of the review page.
pub const REVIEW_WRONG_PASSPHRASES: u8 = 5;
/// A session from elsewhere ends after this however much it is used: a telephone is lost more easily than a desk.
pub const REVIEW_FROM_AFAR: Duration = Duration::from_secs(12 * 3600);
/// Guesses at passphrase and code from elsewhere, all together, within the time below; then nobody is let in there for as
/// long. Each costs this machine a fifth of a second.
pub const REVIEW_WRONG_PROOFS: usize = 5;
/// How long wrong guesses from elsewhere count.
pub const REVIEW_PROOFS_COUNT: Duration = Duration::from_secs(900);
/// The longest form of the review page, an id and a passphrase, is far below this.
pub const REVIEW_FORM_BYTES: usize = 16 * 1024;
/// One person's browser opens six at once.
pub const REVIEW_CONNECTIONS: usize = 32;
/// One request and its answer, on one machine.
pub const REVIEW_CONVERSATION: Duration = Duration::from_secs(30);
/// A directory that has not answered by then is left out: an agent waits for the others.
pub const DIRECTORY_WAIT: Duration = Duration::from_secs(5);
/// A hundred entries with their schemas stay far below this.
pub const DIRECTORY_BYTES: usize = 1024 * 1024;
/// Of one answer of a directory; who wants more asks with better words.
pub const LISTED_THINGS: usize = 100;
/// An address that somebody is meant to read; longer ones are not listed.
pub const LISTED_URL_BYTES: usize = 512;
/// What directories list changes over days.
pub const LISTING_KEPT: Duration = Duration::from_secs(600);
/// A directory that is down is answered for by what it said before, up to here.
pub const LISTING_STALE: Duration = Duration::from_secs(24 * 3600);
/// Answers of directories that are kept; the oldest goes first.
pub const LISTINGS: usize = 64;
/// What is looked for is said in a few words.
pub const QUERY_CHARS: usize = 200;
/// Things found, unless more or fewer are asked for.
pub const FOUND: usize = 10;
/// And at the most.
pub const FOUND_AT_MOST: usize = 50;
/// The policy is asked about so many that fit best: each is a look into the ledger.
pub const WEIGHED: usize = 100;
