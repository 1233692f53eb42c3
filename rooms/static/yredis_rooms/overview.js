// Keeps the parts of a page that have a `data-live` url as they are now: each is fetched anew every `data-seconds`, unless
// nobody looks at the page. Who is signed out, or may not look any more, is told so, and nothing more is asked for.
'use strict';
(() => {
  const status = document.getElementById('yredis-live-status');
  const parts = [...document.querySelectorAll('[data-live]')];
  const late = new Set();
  let stopped = false;

  const say = (text) => {
    status.textContent = text;
    status.hidden = !text;
  };

  const stop = () => {
    stopped = true;
    say(status.dataset.stopped);
  };

  const refresh = async (part) => {
    const signal = AbortSignal.timeout(Number(part.dataset.patience) * 1000);
    const response = await fetch(part.dataset.live, { redirect: 'manual', cache: 'no-store', signal });
    if (response.type === 'opaqueredirect' || response.status === 401 || response.status === 403) {
      stop();
    } else if (!response.ok) {
      throw new Error(`HTTP ${response.status}`);
    } else {
      part.innerHTML = await response.text();
    }
  };

  const turn = async (part) => {
    if (!stopped && document.visibilityState === 'visible') {
      try {
        await refresh(part);
        late.delete(part);
      } catch {
        late.add(part);
      }
      if (!stopped) say(late.size ? status.dataset.late : '');
    }
  };

  const keep = (part) => {
    const seconds = Number(part.dataset.seconds);
    let timer = 0;
    let busy = false;
    const next = async () => {
      if (busy || stopped) return;
      busy = true;
      clearTimeout(timer);
      await turn(part);
      busy = false;
      timer = setTimeout(next, seconds * 1000);
    };
    timer = setTimeout(next, seconds * 1000);
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') next();
    });
  };

  parts.forEach(keep);
})();
