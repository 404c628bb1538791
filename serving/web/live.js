// What happens at the service, as it happens. The browser reconnects by itself after a break; after an error it does not.

const KINDS = ["film_received", "result", "dead_letter", "correction"];
const LONGEST_WAIT = 15000;

/**
 * Listens until `close` of what is returned is called; `again` connects at once, after somebody has logged in.
 * `happened(event)` hears each event; `changed(state)` "live" or "broken"; after a break the list should be read anew.
 */
export function listen(happened, changed) {
  let source = null;
  let wait = 1000;
  let timer = null;
  let closed = false;

  function open() {
    source = new EventSource("/v1/events");
    source.addEventListener("open", () => { wait = 1000; changed("live"); });
    source.addEventListener("error", () => {
      changed("broken");
      if (source.readyState === EventSource.CLOSED && !closed) {
        timer = setTimeout(open, wait);
        wait = Math.min(2 * wait, LONGEST_WAIT);
      }
    });
    for (const kind of KINDS) source.addEventListener(kind, (event) => happened(JSON.parse(event.data)));
  }

  open();
  return {
    again() { clearTimeout(timer); source.close(); wait = 1000; open(); },
    close() { closed = true; clearTimeout(timer); source.close(); },
  };
}
