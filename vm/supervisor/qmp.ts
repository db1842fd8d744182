/** What QEMU said over QMP, reduced to what the supervisor acts on. */
export interface MonitorState {
  /** It came up: whatever goes wrong before is the host's fault, not the guest's. */
  greeted: boolean;
  poweredOff: boolean;
  panicked: boolean;
  reset: boolean;
  /** The host could not read or write the guest's disk; QEMU has stopped the guest. */
  ioError?: { device: string; noSpace: boolean; reason: string };
}

/** Characters of one message; QEMU's are some hundred. It runs hostile code, so even its words are bounded. */
const MAX_MESSAGE = 1_000_000;

/** The receiving half of QMP: a JSON message per line, https://www.qemu.org/docs/master/interop/qmp-spec.html */
export class QmpReceiver {
  readonly state: MonitorState = { greeted: false, poweredOff: false, panicked: false, reset: false };
  #rest = '';

  /** Takes what came. Returns whether anything in `state` changed. */
  take(text: string): boolean {
    const lines = (this.#rest + text).split('\n');
    this.#rest = (lines.pop() ?? '').slice(0, MAX_MESSAGE);
    return lines.map((line) => this.#message(line)).includes(true);
  }

  /** What is known of a monitor that does not speak QMP. */
  assume(known: Pick<MonitorState, 'greeted' | 'poweredOff' | 'ioError'>): void {
    Object.assign(this.state, known);
  }

  #message(line: string): boolean {
    const message = parse(line);
    if (message === undefined) return false;
    if (isObject(message.QMP)) {
      this.state.greeted = true;
      return true;
    }
    return typeof message.event === 'string' && this.#event(message.event, message.data);
  }

  #event(event: string, data: unknown): boolean {
    const details = isObject(data) ? data : {};
    switch (event) {
      case 'GUEST_PANICKED':
        this.state.panicked = true;
        return true;
      case 'SHUTDOWN':
        if (details.reason === 'guest-shutdown') this.state.poweredOff = true;
        if (details.reason === 'guest-reset') this.state.reset = true;
        if (details.reason === 'guest-panic') this.state.panicked = true;
        return true;
      case 'BLOCK_IO_ERROR':
        this.state.ioError ??= {
          device: word(details['node-name']) || word(details.device),
          noSpace: details.nospace === true,
          reason: word(details.reason),
        };
        return true;
      default:
        return false;
    }
  }
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const message: unknown = JSON.parse(line);
    return isObject(message) ? message : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function word(value: unknown): string {
  return typeof value === 'string' ? value.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200) : '';
}
