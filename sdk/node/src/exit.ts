/** Signals that end a process which does not handle them. */
const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/** Flushes of the queues that hold events. */
const flushes = new Set<() => Promise<void>>();

let isListening = false;

/** Lets `flush` run at the end of the process while it is armed. */
export function atExit(flush: () => Promise<void>): { arm(): void; disarm(): void } {
  return {
    arm() {
      flushes.add(flush);
      listen();
    },
    disarm() {
      flushes.delete(flush);
      if (flushes.size === 0) unlisten();
    },
  };
}

function listen(): void {
  if (isListening) return;
  isListening = true;
  process.on("beforeExit", beforeExit);
  for (const signal of SIGNALS) process.on(signal, onSignal);
}

function unlisten(): void {
  isListening = false;
  process.off("beforeExit", beforeExit);
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

async function flushAll(): Promise<void> {
  await Promise.all([...flushes].map((flush) => flush()));
}

function beforeExit(): void {
  // What cannot be sent now must not keep the process alive: Node comes here again after every flush.
  unlisten();
  void flushAll();
}

async function onSignal(signal: NodeJS.Signals): Promise<void> {
  // An application that handles the signal decides when it ends.
  const isOurs = process.listenerCount(signal) === 1;
  // A second signal ends the process at once.
  if (isOurs) unlisten();
  await flushAll();
  if (isOurs) process.kill(process.pid, signal);
}
