// What every script sends: a thousand things by forty users. The same is in truth.py, and what comes of it in clients.rs.
"use strict";

const EVENTS = 1000;

// A clock that is wrong by so many milliseconds, for all that is loaded later.
const skew = Number(process.env.SKEW_MS ?? 0);
if (skew !== 0) {
  const Right = Date;
  globalThis.Date = class extends Right {
    constructor(...given) {
      super(...(given.length > 0 ? given : [Right.now() + skew]));
    }
    static now() {
      return Right.now() + skew;
    }
  };
}

exports.all = function* all() {
  for (let n = 0; n < EVENTS; n += 1) {
    const kind = ["page", "identify", "signup", "model"][n % 10] ?? "feature";
    yield { n, kind, user: `user-${n % 40}`, feature: `feature ${n % 7}` };
  }
};
