// The live stream in the browser. One connection for all tabs: the tab that holds a lock listens and tells the others.
//
//   import {live} from './live.mjs';
//   live.on('queue', 'changed', (data) => ...);            an alert, with what was published
//   live.positions('traffic', 'vessels', (items) => ...);  what changed, by key; null: gone
//   live.addEventListener('resync', () => ...);            too long away: the frame reads the page again
//   live.stopped                                           too many listen: this one waits until somebody looks at it
//
// Without a script of its own a page writes data-live="queue other": the element gets the event `live` (hx-trigger="live")
// when something of these topics happened; with data-live-hold not while the focus is inside.
// Paused, nothing reaches the page; it is counted and handed over at once when live again.

const SILENT_MS = 15_000;
const RETRY_MS = 3_000;
const CHANNEL = 'p2p-live';
const EVENTS = ['alert', 'positions', 'beat', 'hello', 'resync', 'signed-out', 'too-many'];

class Live extends EventTarget {
  #handlers = new Map();
  #topics = new Set();
  #others = new Map();
  #channel = null;
  #source = null;
  #asked = '';
  #last = '';
  #paused = false;
  #waiting = [];
  #positions = new Map();
  #me = crypto.randomUUID?.() ?? String(Math.random());
  #leading = false;
  #started = false;
  heard = Date.now();
  stopped = false;

  get paused() { return this.#paused; }
  get waiting() { return this.#waiting.length; }
  get leading() { return this.#leading; }

  on(topic, kind, handler) {
    this.#register(topic, kind, handler);
  }

  positions(topic, kind, handler) {
    this.#register(topic, kind, handler);
  }

  watch(topic) {
    if (topic && !this.#topics.has(topic)) {
      this.#topics.add(topic);
      if (this.#started) this.#announce(true);
    }
  }

  pause(paused) {
    if (this.#paused === paused) return;
    this.#paused = paused;
    if (!paused) {
      const alerts = this.#waiting;
      const positions = [...this.#positions.values()];
      this.#waiting = [];
      this.#positions.clear();
      for (const each of [...positions, ...alerts]) this.#hand(each);
    }
    this.#changed();
  }

  start() {
    if (this.#started) return;
    this.#started = true;
    if ('BroadcastChannel' in window && navigator.locks) {
      this.#channel = new BroadcastChannel(CHANNEL);
      this.#channel.onmessage = (message) => this.#told(message.data);
      this.#announce(true);
      navigator.locks.request(CHANNEL, () => this.#lead());
    } else {
      this.#lead();
    }
    addEventListener('pagehide', () => this.#channel?.postMessage({type: 'bye', from: this.#me}));
    addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });
  }

  #register(topic, kind, handler) {
    const key = `${topic} ${kind}`;
    this.#handlers.set(key, [...(this.#handlers.get(key) ?? []), handler]);
    this.watch(topic);
  }

  // What this tab wants to hear; `fresh` asks for all positions anew.
  #announce(fresh) {
    const wish = {type: 'wish', from: this.#me, topics: [...this.#topics], fresh};
    this.#channel?.postMessage(wish);
    if (this.#leading) this.#connect(fresh);
  }

  #told(message) {
    if (message.type === 'wish') {
      this.#others.set(message.from, message);
      if (this.#leading) this.#connect(message.fresh);
    } else if (message.type === 'bye') {
      this.#others.delete(message.from);
    } else if (message.type === 'who') {
      this.#announce(false);
    } else if (message.type === 'event') {
      this.#receive(message.name, message.payload, message.id);
    }
  }

  // Holds the lock, and with it the connection, until this tab is gone.
  #lead() {
    this.#leading = true;
    this.#channel?.postMessage({type: 'who'});
    this.#connect(true);
    return new Promise(() => {});
  }

  #wanted() {
    const wishes = [...this.#others.values()].flatMap((wish) => wish.topics);
    return [...new Set([...this.#topics, ...wishes])].sort().join(',');
  }

  #connect(fresh) {
    this.stopped = false;
    const asked = this.#wanted();
    if (this.#source && !fresh && asked === this.#asked) return;
    this.#asked = asked;
    this.#source?.close();
    const query = new URLSearchParams({topics: asked, last: this.#last});
    const source = new EventSource(`/live?${query}`);
    this.#source = source;
    for (const name of EVENTS) source.addEventListener(name, (event) => this.#pass(event));
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED && source === this.#source) {
        setTimeout(() => { if (source === this.#source) this.#connect(true); }, RETRY_MS);
      }
    };
  }

  #pass(event) {
    const message = {type: 'event', name: event.type, payload: JSON.parse(event.data), id: event.lastEventId};
    this.#channel?.postMessage(message);
    this.#receive(message.name, message.payload, message.id);
  }

  #receive(name, payload, id) {
    this.heard = Date.now();
    if (id) this.#last = id;
    if (name !== 'too-many') this.stopped = false;
    if (name === 'signed-out') {
      this.#source?.close();
      this.dispatchEvent(new Event('signed-out'));
    } else if (name === 'too-many') {
      this.#stop();
    } else if (name === 'resync') {
      this.dispatchEvent(new Event('resync'));
    } else if (name === 'beat' || name === 'hello') {
      this.dispatchEvent(new CustomEvent('beat', {detail: payload}));
    } else if (!this.#topics.has(payload.topic)) {
      return;
    } else if (this.#paused) {
      this.#hold(payload);
    } else {
      this.#hand(payload);
    }
  }

  // Somebody who looks at this window again wants it to listen again: then another one stops.
  #stop() {
    this.stopped = true;
    if (!this.#leading) return;
    this.#source?.close();
    this.#source = null;
    addEventListener('focus', () => this.#connect(true), {once: true});
  }

  #hold(payload) {
    if (payload.items) {
      const key = `${payload.topic} ${payload.kind}`;
      const held = this.#positions.get(key) ?? {...payload, items: {}};
      Object.assign(held.items, payload.items);
      this.#positions.set(key, held);
    } else {
      this.#waiting.push(payload);
      this.#changed();
    }
  }

  #hand(payload) {
    const value = payload.items ?? payload.data;
    for (const handler of this.#handlers.get(`${payload.topic} ${payload.kind}`) ?? []) handler(value);
    this.dispatchEvent(new CustomEvent('event', {detail: {...payload, value, alert: !payload.items}}));
  }

  #changed() {
    this.dispatchEvent(new Event('state'));
  }

  silentFor() {
    const silent = Date.now() - this.heard;
    return silent > SILENT_MS ? Math.round(silent / 1000) : 0;
  }
}

export const live = new Live();
