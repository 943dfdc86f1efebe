// What the suite asks and bursar does not answer, each with its reason. A check is excused only when it also failed in
// the way the reason says, so that nothing else can hide behind it.

const EXCLUDED = [
  {
    why: "it gets prompts of the suite's own example server",
    scenarios: /^(prompts-get-|input-required-result-non-tool-request$)/,
    failed: /unknown prompt `test_/,
  },
  {
    why: "completions are not declared: no argument of bursar's is worth completing",
    scenarios: /^completion-complete$/,
    failed: /completion\/complete/,
  },
  {
    why: "logging is not declared: bursar logs to stderr, and the newer era has given it up",
    scenarios: /^(logging-set-level|tools-call-with-logging)$/,
    failed: /logging\/setLevel/,
  },
  {
    why: "subscribing to resources is not declared: a stored body never changes",
    scenarios: /^resources-(un)?subscribe$/,
    failed: /resources\/(un)?subscribe/,
  },
  {
    why: "it calls a tool of the suite's own example server; the suite has no way to try another's",
    scenarios: /^(tools-call-|elicitation-|input-required-result-)/,
    failed: /unknown tool `test_|could not get initial InputRequiredResult|^Expected InputRequiredResult with inputRequests/,
  },
  {
    why: "it looks for a diagnostic tool of the suite's own example server",
    scenarios: /^(server-)?stateless$/,
    failed: /^Not testable: server does not list the diagnostic tool/,
  },
  {
    why: "it reads resources of the suite's own example server; bursar has bodies of purchases only",
    scenarios: /^resources-(read-|templates-read)/,
    failed: /there are only bursar:\/\/purchase/,
  },
];

/** Why a failed check is not bursar's to pass; nothing if it is. */
export function whyNot({ scenario, errorMessage = "" }) {
  return EXCLUDED.find((one) => one.scenarios.test(scenario) && one.failed.test(errorMessage))?.why;
}
