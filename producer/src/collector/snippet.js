// Headcount in a page. It is served without the lines that are only a comment, and without needless blanks.
((w, d, n) => {
  var tag = d.currentScript,
    key = tag.dataset.key,
    open = "anonymous" in tag.dataset,
    url = new URL("v1/events", tag.src) + (key ? "?key=" + encodeURIComponent(key) : ""),
    types = TYPES,
    queue = [],
    held = {},
    // How many events, at the head of the queue, are on their way.
    busy = 0,
    pause = 0,
    timer, user, path;

  // A version 7 UUID: by it the collector's stream knows a retry.
  var uuid = now => (now.toString(16).padStart(12, 0) + "7" +
    Array.from(crypto.getRandomValues(new Uint8Array(9)), b => (b + 256).toString(16).slice(1)).join("")
  ).replace(/^(.{8})(.{4})(.{4})/, "$1-$2-$3-8").replace(/.{12}$/, "-$&");

  // Whose event it is, said once, on its first way out. Before that nothing is stored in the browser.
  var named = e => {
    if (!e.sessionId) {
      try { held = JSON.parse(localStorage.headcount) } catch (_) {}
      if (!(e.timestamp - held.t < 18e5)) held.s = uuid(e.timestamp);
      held.t = e.timestamp;
      e.sessionId = held.s;
      if (user) e.userId = user;
      else e.anonymousId = held.a = held.a || uuid(e.timestamp);
      try { localStorage.headcount = JSON.stringify(held) } catch (_) {}
    }
    return e;
  };

  var batch = from => user || open ? queue.slice(from, from + 20).map(named) : [];

  var later = ms => timer = timer || setTimeout(send, ms);

  var send = () => {
    timer = 0;
    if (busy) return;
    var events = batch(0);
    if (busy = events.length) fetch(url, {method: "POST", body: JSON.stringify(events), keepalive: true}).then(r => {
      // Too busy, or out of order: all of them again, for the ids tell what was taken. All else is final.
      if (r.status == 429 || r.status > 499) throw r;
      queue.splice(pause = 0, busy);
    }).catch(() => pause = Math.min(pause * 2 || 1e3, 6e4)).then(() => {
      busy = 0;
      if (queue[0]) later(pause * (1 + Math.random()));
    });
  };

  var leave = () => {
    for (var events; (events = batch(busy))[0] && n.sendBeacon(url, JSON.stringify(events)); )
      queue.splice(busy, events.length);
  };

  var track = (name, data) => {
    var now = Date.now(), known = types.includes(name);
    if (queue.length < 500) queue.push({
      eventId: uuid(now),
      timestamp: now,
      eventType: known ? name : "feature_use",
      eventData: known ? data : {...data, feature: name},
      metadata: {platform: "web", language: n.language}
    });
    later(1e3);
  };

  var page = () => {
    if (path != (path = location.pathname)) track("page_view", {path, referrer: d.referrer.split("/")[2]});
  };

  ["pushState", "replaceState"].map(name => {
    var old = history[name];
    history[name] = (...all) => {
      old.apply(history, all);
      page();
    };
  });
  w.addEventListener("popstate", page);
  w.addEventListener("pagehide", leave);
  d.addEventListener("visibilitychange", () => d.hidden && leave());
  w.headcount = {
    track,
    identify(id) {
      user = id && "" + id;
      later(0);
    }
  };
  page();
})(window, document, navigator);
