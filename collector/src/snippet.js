// Headcount in a web page. It is served without comments and needless blanks, so every statement ends in a semicolon or a
// brace, and strings stand in double quotes.
((w, d, n) => {
  // The bytes of a request. Browsers allow 64 KiB for all requests and beacons that may outlive their page.
  const MAX_BATCH_BYTES = 30000;
  // The bytes of an event that can be sent at all.
  const MAX_EVENT_BYTES = 60000;
  const MAX_BATCH_EVENTS = 50;
  const MAX_QUEUED_EVENTS = 500;
  // A visit ends when nothing happens for half an hour.
  const SESSION_MS = 18e5;
  const MAX_PAUSE_MS = 6e4;

  /**
   * An event on its way: its JSON without the closing brace, and whose it is, as further fields. Those are empty until it is
   * known who it is.
   * @typedef {{at: number, json: string, whose: string}} Queued
   */

  /**
   * What the browser keeps: the session, when something happened last in it, and the id of an anonymous visitor.
   * @typedef {{s?: string, t?: number, a?: string}} Held
   */

  // A second copy does nothing. An element of this name is no copy.
  if (w.headcount && "track" in w.headcount) return;

  const tag = /** @type {HTMLScriptElement | null} */ (d.currentScript);
  const marks = tag ? tag.dataset : {};
  /** @type {HeadcountOptions} */
  const options = {key: marks.key, url: tag ? tag.src : "", anonymous: "anonymous" in marks, hash: "hash" in marks};
  const types = TYPES;
  /** @type {Queued[]} */
  const queue = [];
  /** @type {Held} */
  let held = {};
  // How many events, at the head of the queue, are on their way.
  let busy = 0;
  let pause = 0;
  let timer = 0;
  let user = "";
  /** @type {string | undefined} */
  let path;

  /** @param {...unknown} said */
  const warn = (...said) => console.warn("headcount:", ...said);

  /** @param {string} text */
  const bytes = text => new Blob([text]).size;

  /**
   * A version 7 UUID: by it the collector's stream knows a retry.
   * @param {number} now
   */
  const uuid = now => {
    const random = Array.from(crypto.getRandomValues(new Uint8Array(9)), byte => (byte + 256).toString(16).slice(1)).join("");
    const hex = now.toString(16).padStart(12, "0") + "7" + random.slice(0, 3) + "8" + random.slice(3);
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
  };

  // Others write there too, and where storage is blocked it throws: then the page remembers by itself.
  const read = () => {
    try {
      const found = JSON.parse(w.localStorage.headcount);
      /** @param {unknown} id */
      const isId = id => id === undefined || (typeof id === "string" && id.length > 0 && id.length < 65);
      if (found && isId(found.s) && isId(found.a) && Number.isFinite(found.t)) held = {s: found.s, t: found.t, a: found.a};
    } catch {}
  };

  const write = () => {
    try {
      w.localStorage.headcount = JSON.stringify(held);
    } catch {}
  };

  /**
   * Whose event it is and of which session, said once: when it happens, or else when it is known who it is. Until then nothing is
   * stored in the browser.
   * @param {Queued} event
   */
  const bind = event => {
    if (event.whose || !(user || options.anonymous)) return;
    read();
    if (!held.s || !(Math.abs(event.at - (held.t || 0)) < SESSION_MS)) held.s = uuid(event.at);
    held.t = event.at;
    if (!user && !held.a) held.a = uuid(event.at);
    event.whose = "," + JSON.stringify({sessionId: held.s, ...(user ? {userId: user} : {anonymousId: held.a})}).slice(1, -1);
    write();
  };

  /**
   * How many events from here on make a request, and its body.
   * @param {number} from
   * @returns {[number, string]}
   */
  const batch = from => {
    const events = [];
    let size = 0;
    for (const event of queue.slice(from, from + MAX_BATCH_EVENTS)) {
      const text = event.json + event.whose + ",\"sentAt\":" + Date.now() + "}";
      size += bytes(text) + 1;
      if (!event.whose || (events.length && size > MAX_BATCH_BYTES)) break;
      events.push(text);
    }
    return [events.length, "[" + events.join() + "]"];
  };

  const address = () => {
    const query = options.key ? "?key=" + encodeURIComponent(options.key) : "";
    try {
      return new URL("v1/events", options.url).href + query;
    } catch {
      console.error("headcount: nothing can be sent: call headcount.init({url, key}) with the address of this script");
      return "";
    }
  };

  /** @param {number} ms */
  const later = ms => {
    timer = timer || w.setTimeout(send, ms);
  };

  const send = () => {
    timer = 0;
    const [count, body] = busy ? [0, ""] : batch(0);
    const url = count ? address() : "";
    if (!url) return;
    busy = count;
    // A request weighs on what browsers allow until its answer is read.
    fetch(url, {method: "POST", body, keepalive: true}).then(answer => answer.text().then(text => {
      // Too busy, or out of order: all of them again, for the ids tell what was taken. All else is final.
      if (answer.status === 429 || answer.status > 499) throw answer;
      queue.splice(0, busy);
      pause = 0;
      if (!answer.ok) console.error("headcount: refused (" + answer.status + "):", text);
    })).catch(() => {
      pause = Math.min(pause * 2 || 1e3, MAX_PAUSE_MS);
    }).then(() => {
      busy = 0;
      if (queue[0] && queue[0].whose) later(pause * (1 + Math.random()));
    });
  };

  const leave = () => {
    const url = queue[busy] && queue[busy].whose && "sendBeacon" in n ? address() : "";
    while (url) {
      const [count, body] = batch(busy);
      if (!count || !n.sendBeacon(url, body)) return;
      queue.splice(busy, count);
    }
  };

  /**
   * @param {string} name
   * @param {object} [data]
   */
  const track = (name, data) => {
    const at = Date.now();
    const known = types.includes(name);
    let json = "";
    try {
      json = JSON.stringify({
        eventId: uuid(at),
        timestamp: at,
        eventType: known ? name : "feature_use",
        eventData: known ? data : {...data, feature: name},
        metadata: {platform: "web", language: n.language}
      }).slice(0, -1);
    } catch (error) {
      warn("the event", name, "is not sent, for it is no JSON:", error);
      return;
    }
    if (bytes(json) > MAX_EVENT_BYTES) {
      warn("the event", name, "is not sent, for it has more than", MAX_EVENT_BYTES, "bytes");
      return;
    }
    if (queue.length >= MAX_QUEUED_EVENTS) return;
    const event = {at, json, whose: ""};
    bind(event);
    queue.push(event);
    later(1e3);
  };

  // A page that is loaded before anybody looks at it counts when somebody does.
  const page = () => {
    if (d.prerendering) return;
    const now = location.pathname + (options.hash ? location.hash : "");
    if (path !== now) track("page_view", {path: path = now, referrer: d.referrer.split("/")[2]});
  };

  /** @param {"pushState" | "replaceState"} name */
  const watch = name => {
    const old = history[name];
    history[name] = (...all) => {
      old.apply(history, all);
      page();
    };
  };

  /** @type {Headcount} */
  const headcount = {
    track,
    identify(id) {
      const next = id == null ? "" : "" + id;
      // Another person is another visit.
      if (user && next !== user) {
        read();
        held.s = undefined;
        held.t = 0;
        write();
      }
      user = next;
      queue.forEach(bind);
      later(0);
    },
    init(given) {
      Object.assign(options, given);
      page();
      queue.forEach(bind);
      later(0);
    }
  };

  watch("pushState");
  watch("replaceState");
  w.headcount = headcount;
  w.addEventListener("popstate", page);
  w.addEventListener("hashchange", page);
  w.addEventListener("pagehide", leave);
  // A page out of the back-forward cache goes on, and is looked at again.
  w.addEventListener("pageshow", event => {
    if (event.persisted) {
      path = undefined;
      page();
    }
  });
  d.addEventListener("visibilitychange", () => {
    if (d.hidden) leave();
  });
  d.addEventListener("prerenderingchange", page, {once: true});
  page();
})(window, document, navigator);
