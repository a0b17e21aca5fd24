// The live stream in the browser. One connection for all tabs: the tab that holds a lock listens and tells the others.
//
//   import {live} from './live.mjs';
//   live.on('queue', 'changed', (data) => ...);            an alert: {topic, data} as published
//   live.positions('traffic', 'vessels', (items) => ...);  what changed, by key; null: gone
//   live.on('', 'resync', () => ...);                      too long away: read the page again (the frame does so)
//
// Without a script of its own a page writes data-live="queue other": the element gets the event `live` (hx-trigger="live")
// when something of these topics happened; with data-live-hold not while the focus is inside.
// Paused, nothing reaches the page; it is counted and handed over at once when live again.

const SILENT_MS = 15_000;
const RETRY_MS = 3_000;
const CHANNEL = 'p2p-live';

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
  #kinds = new Set(['beat', 'hello', 'resync', 'signed-out']);
  #leading = false;
  #started = false;
  heard = Date.now();

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
      for (const each of positions) this.#hand(each.kind, {topic: each.topic, items: Object.fromEntries(each.items)});
      for (const each of alerts) this.#hand(each.kind, each.payload);
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
    const known = this.#kinds.has(kind);
    this.#kinds.add(kind);
    this.watch(topic);
    if (!known && this.#started) this.#announce(true);
  }

  // What this tab wants to hear; `fresh` asks for all positions anew.
  #announce(fresh) {
    const wish = {type: 'wish', from: this.#me, topics: [...this.#topics], kinds: [...this.#kinds], fresh};
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
      this.#receive(message.kind, message.payload, message.id);
    }
  }

  // Holds the lock, and with it the connection, until this tab is gone.
  #lead() {
    this.#leading = true;
    this.#channel?.postMessage({type: 'who'});
    this.#connect(true);
    return new Promise(() => {});
  }

  #wanted(name) {
    const mine = name === 'topics' ? this.#topics : this.#kinds;
    return [...new Set([...mine, ...[...this.#others.values()].flatMap((wish) => wish[name])])].sort();
  }

  #connect(fresh) {
    const asked = this.#wanted('topics').join(',') + ' ' + this.#wanted('kinds').join(',');
    if (this.#source && !fresh && asked === this.#asked) return;
    this.#asked = asked;
    this.#source?.close();
    const query = new URLSearchParams({topics: this.#wanted('topics').join(','), last: this.#last});
    const source = new EventSource(`/live?${query}`);
    this.#source = source;
    for (const kind of this.#wanted('kinds')) source.addEventListener(kind, (event) => this.#pass(event));
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED && source === this.#source) {
        setTimeout(() => { if (source === this.#source) this.#connect(true); }, RETRY_MS);
      }
    };
  }

  #pass(event) {
    const message = {type: 'event', kind: event.type, payload: JSON.parse(event.data), id: event.lastEventId};
    this.#channel?.postMessage(message);
    this.#receive(message.kind, message.payload, message.id);
  }

  #receive(kind, payload, id) {
    this.heard = Date.now();
    if (id) this.#last = id;
    if (kind === 'signed-out') {
      this.#source?.close();
      this.dispatchEvent(new Event('signed-out'));
    } else if (kind === 'beat' || kind === 'hello') {
      this.dispatchEvent(new CustomEvent('beat', {detail: payload}));
    } else if (kind !== 'resync' && !this.#topics.has(payload.topic)) {
      return;
    } else if (this.#paused) {
      this.#hold(kind, payload);
    } else {
      this.#hand(kind, payload);
    }
  }

  #hold(kind, payload) {
    if (payload.items) {
      const key = `${payload.topic} ${kind}`;
      const held = this.#positions.get(key) ?? {kind, topic: payload.topic, items: new Map()};
      for (const [name, value] of Object.entries(payload.items)) held.items.set(name, value);
      this.#positions.set(key, held);
    } else {
      this.#waiting.push({kind, payload});
      this.#changed();
    }
  }

  #hand(kind, payload) {
    const value = payload.items ?? payload.data;
    for (const handler of this.#handlers.get(`${payload.topic ?? ''} ${kind}`) ?? []) handler(value);
    const detail = {kind, topic: payload.topic ?? '', value, alert: !payload.items};
    this.dispatchEvent(new CustomEvent('event', {detail}));
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
