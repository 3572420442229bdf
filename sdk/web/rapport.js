// Rapport's script for web pages: page views, marked clicks, campaigns, sessions, consent, and calls of your own.
// How to use it: docs/web.md. `make web` builds rapport.min.js from this file, which the collector serves as /rapport.js.
//
// One rule keeps the books: a call leaves the queue only when the collector has answered for it. Until then it lies in
// localStorage, one entry a call (so tabs do not overwrite each other), and is sent again, by other pages too. It
// keeps its messageId, by which Rapport knows what it has already.

const QUEUE = "rapport:call:"; // + messageId, which sorts by time
const VISITOR = "rapport:anonymousId";
const USER = "rapport:userId";
const SESSION = "rapport:session";
const CONSENT = "rapport:consent";
const COOKIE = "rapport_id"; // the visitor too, because subdomains can share it

const SECOND = 1000;
const IDLE = 30 * 60 * SECOND; // a session ends after this long without a call
const OLDEST = 7 * 24 * 3600 * SECOND; // Rapport knows a messageId for seven days: what is older could be counted twice
const QUEUED = 500; // calls that wait at most; then the oldest goes
const LARGEST = 32768; // bytes of one call, as Rapport takes it
const AT_ONCE = 50; // calls in one request
const BYTES = 60000; // of one request: browsers let 64 KiB go out when a page ends
const YEAR = 365 * 24 * 3600; // seconds
const PAUSE = 200; // ms that a call waits for others to come along
const LONGEST = 60 * SECOND; // between two attempts

const script = document.currentScript;
const early = window.rapport; // an array of calls made before this script was there, or nothing

let writeKey, url, options; // set by init
let store = {}; // localStorage, or this object while there is none or consent is waited for
let waiting = false; // for consent: nothing is stored or sent
let refused = false; // consent: nothing is made any more
let underway = []; // queue entries in a request that is not answered yet
let left = []; // queue entries that a beacon took: nobody says whether it arrived
let failures = 0; // in a row
let timer; // of the next attempt
let made = 0;
let here, cameFrom; // URLs of this page and the one before, also within a single-page application

// ---- storage

function storage() {
  try {
    return localStorage || {};
  } catch (error) {
    return {}; // switched off: this page remembers
  }
}

function read(name) {
  try {
    return JSON.parse(store[name]);
  } catch (error) {
    return undefined; // nothing there, or nothing of ours
  }
}

function write(name, text) {
  try {
    store[name] = text;
  } catch (error) {
    const [oldest] = entries(); // the storage is full
    if (!oldest) return;
    delete store[oldest];
    write(name, text);
  }
}

function random() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => (byte + 256).toString(16).slice(1)).join("");
}

function cookie(value, age) {
  const domain = options.cookieDomain ? "; domain=" + options.cookieDomain : "";
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `${COOKIE}=${value}; path=/; max-age=${age}; samesite=lax${domain}${secure}`;
}

// ---- who

function anonymousId() {
  const kept = !waiting && (document.cookie.match(/(?:^|; )rapport_id=([\w-]+)/) || [])[1];
  const id = kept || store[VISITOR] || random();
  if (store[VISITOR] && store[VISITOR] !== id) forget(); // on another subdomain the visitor became somebody else
  if (store[VISITOR] !== id) write(VISITOR, id);
  if (!waiting && kept !== id) cookie(id, YEAR);
  return id;
}

function forget() {
  for (const name of [VISITOR, USER, SESSION]) delete store[name];
}

function reset() {
  forget();
  if (!waiting && !refused) cookie(random(), YEAR);
}

// ---- the session and the page, which become the context of every call

function campaign() {
  const found = {};
  for (const [name, value] of new URLSearchParams(location.search)) {
    const known = /^utm_(source|medium|campaign|term|content|id)$/.exec(name);
    if (known) found[known[1] === "campaign" ? "name" : known[1]] = value.slice(0, 200);
  }
  return Object.keys(found).length ? found : undefined;
}

function session() {
  const now = Date.now();
  const known = read(SESSION);
  const goesOn = known && now - known.last < IDLE;
  const one = goesOn ? known : { id: random() };
  one.last = now;
  one.campaign = campaign() || one.campaign;
  write(SESSION, JSON.stringify(one));
  if (!goesOn) track("Session Started");
  return one;
}

function shown() {
  return {
    url: here,
    path: location.pathname.slice(0, 1000),
    search: location.search.slice(0, 1000),
    title: document.title.slice(0, 500),
    referrer: cameFrom,
  };
}

function context() {
  const { id, campaign } = session();
  return {
    library: { name: "rapport.js", version: "1" },
    page: shown(),
    campaign,
    sessionId: id,
    locale: navigator.language,
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    userAgent: navigator.userAgent,
  };
}

// ---- calls

function add(type, fields) {
  if (refused) return;
  try {
    const visitor = anonymousId();
    const told = context(); // may begin a session, which is a call too and comes before
    const now = Date.now();
    const messageId = now.toString(36) + (made++ % 1296).toString(36).padStart(2, "0") + random().slice(12);
    const who = { anonymousId: visitor, userId: store[USER] };
    const call = { type, messageId, ...who, timestamp: new Date(now).toISOString(), context: told, ...fields };
    const text = JSON.stringify(call);
    if (new Blob([text]).size > LARGEST) throw new Error(`it is larger than ${LARGEST} bytes`);
    const queued = entries();
    if (queued.length >= QUEUED) delete store[queued[0]];
    write(QUEUE + messageId, text);
    if (!timer) attempt(PAUSE);
  } catch (error) {
    console.warn("rapport: this call cannot be sent", error); // never an error in somebody's page
  }
}

function track(event, properties) {
  add("track", { event, properties });
}

function page(name, properties) {
  add("page", { name, properties: { ...shown(), ...properties } });
}

function identify(userId, traits) {
  if (refused) return;
  if (userId && typeof userId === "object") return identify(null, userId);
  if (userId != null && userId !== "") {
    if (store[USER] && store[USER] !== String(userId)) reset(); // somebody else at the same browser
    write(USER, String(userId));
  }
  add("identify", { traits });
}

function group(groupId, traits) {
  add("group", { groupId, traits });
}

// ---- consent

function answers() {
  try {
    return JSON.parse(storage()[CONSENT]) || {};
  } catch (error) {
    return {};
  }
}

function consent(choices) {
  const all = { ...answers(), ...choices };
  try {
    storage()[CONSENT] = JSON.stringify(all);
  } catch (error) {
    // the storage is full: the page asks again
  }
  const tell = () => add("identify", { traits: { consent: choices } });
  if (all.analytics === false) {
    if (!waiting) {
      tell();
      cookie("", 0);
    }
    forget();
    store = waiting ? storage() : store; // what waited in memory is gone; what was allowed before is still sent
    waiting = false;
    refused = true;
    return;
  }
  refused = false;
  if (waiting && all.analytics) {
    const held = store;
    store = storage();
    waiting = false;
    for (const name in held) write(name, held[name]);
  }
  tell();
}

// ---- sending

function entries() {
  return Object.keys(store).filter((name) => name.startsWith(QUEUE)).sort();
}

function next() {
  const found = { names: [], calls: [] };
  let bytes = 200;
  for (const name of entries()) {
    const call = read(name);
    const size = new Blob([store[name]]).size + 1;
    if (!call || size > BYTES || !(Date.now() - Date.parse(call.timestamp) < OLDEST)) delete store[name];
    else if (!underway.includes(name) && !left.includes(name)) {
      bytes += size;
      if (bytes > BYTES || found.names.length === AT_ONCE) break;
      found.names.push(name);
      found.calls.push(store[name]);
    }
  }
  return found;
}

function body(calls) {
  return `{"writeKey":${JSON.stringify(writeKey)},"sentAt":"${new Date().toISOString()}","batch":[${calls}]}`;
}

function attempt(delay) {
  clearTimeout(timer);
  timer = setTimeout(flush, delay);
}

function flush() {
  timer = undefined;
  if (waiting || underway.length) return;
  const { names, calls } = next();
  if (!names.length) return;
  if (navigator.onLine === false) return attempt(LONGEST);
  underway = names;
  // Text without headers of our own needs no preflight; keepalive lets it finish when the page ends.
  fetch(url, { method: "POST", body: body(calls), keepalive: true }).then(answered, failed);
}

function answered(response) {
  const status = response.status;
  if (status === 408 || status === 429 || status >= 500) return failed(response);
  for (const name of underway) delete store[name];
  underway = [];
  failures = 0;
  if (entries().length) attempt(0);
  return response.json().then(complain, () => {});
}

function failed(response) {
  underway = [];
  const pause = Math.min(LONGEST, SECOND * 2 ** failures++) * (0.5 + Math.random() / 2);
  const asked = response.headers ? response.headers.get("retry-after") * SECOND : 0;
  attempt(Math.max(pause, Math.min(asked, 5 * LONGEST)));
}

function complain(report) {
  if (report.message) console.warn("rapport:", report.message);
  for (const item of report.items || []) if (item.reason) console.warn("rapport:", item.reason, item.hint || "");
}

function leave() {
  if (waiting) return;
  for (let more = next(); more.names.length; more = next()) {
    if (!navigator.sendBeacon(url, body(more.calls))) return; // it stays in the queue
    left.push(...more.names);
  }
}

function comeBack() {
  left = [];
  failures = 0;
  attempt(0);
}

// ---- what is noticed without being told

function watchPages() {
  const look = () => {
    const now = location.href.slice(0, 2000);
    if (now.split("#")[0] === here.split("#")[0]) return;
    cameFrom = here;
    here = now;
    setTimeout(page); // frameworks set the title after the address
  };
  for (const name of ["pushState", "replaceState"]) {
    const own = history[name];
    history[name] = function () {
      const result = own.apply(this, arguments);
      look();
      return result;
    };
  }
  window.addEventListener("popstate", look);
  window.addEventListener("pageshow", (event) => event.persisted && page()); // back, to a page that was kept whole
  page();
}

function clicked(event) {
  const marked = event.target.closest && event.target.closest("[data-rapport-event]");
  if (!marked) return;
  const properties = {};
  for (const { name, value } of marked.attributes) {
    const named = /^data-rapport-(.+)$/.exec(name);
    if (named && named[1] !== "event") properties[named[1].replace(/-/g, "_")] = value;
  }
  track(marked.getAttribute("data-rapport-event"), properties);
}

function init(key, given) {
  if (writeKey || !key) return;
  options = given || {};
  writeKey = key;
  url = (options.host || new URL(script.src).origin).replace(/\/$/, "") + "/v1/batch";
  here = location.href.slice(0, 2000);
  cameFrom = document.referrer.slice(0, 2000);
  const { analytics } = answers();
  refused = analytics === false;
  waiting = options.consent === "required" && analytics === undefined;
  if (!waiting) store = storage();
  document.addEventListener("visibilitychange", () => (document.visibilityState === "hidden" ? leave : comeBack)());
  window.addEventListener("pagehide", leave);
  window.addEventListener("online", comeBack);
  if (String(options.clicks) !== "false") document.addEventListener("click", clicked, true);
  if (String(options.pages) !== "false") watchPages();
  attempt(PAUSE); // what an earlier page could not send
}

const calls = { track, page, identify, group, consent, reset };
const api = { init };
for (const name in calls) {
  api[name] = (...given) => (writeKey ? calls[name](...given) : console.warn(`rapport: init comes before ${name}`));
}
api.push = ([name, ...given]) => api[name] && api[name](...given);

if (!early || !early.init) {
  window.rapport = api;
  if (script && script.dataset.key) init(script.dataset.key, script.dataset);
  for (const call of early || []) api.push(call);
}
