import { describe, expect, it } from 'vitest';
import { QmpReceiver } from '../../../vm/supervisor/qmp.ts';

const line = (message: unknown) => `${JSON.stringify(message)}\n`;

describe('QMP', () => {
  it('knows that QEMU came up by its greeting', () => {
    const qmp = new QmpReceiver();
    expect(qmp.take(line({ return: {} }))).toBe(false);
    expect(qmp.state.greeted).toBe(false);
    expect(qmp.take(line({ QMP: { version: {}, capabilities: [] } }))).toBe(true);
    expect(qmp.state.greeted).toBe(true);
  });

  it.each([
    [{ event: 'SHUTDOWN', data: { guest: true, reason: 'guest-shutdown' } }, { poweredOff: true }],
    [
      { event: 'SHUTDOWN', data: { guest: true, reason: 'guest-reset' } },
      { reset: true, poweredOff: false },
    ],
    [
      { event: 'SHUTDOWN', data: { guest: true, reason: 'guest-panic' } },
      { panicked: true, poweredOff: false },
    ],
    [{ event: 'SHUTDOWN', data: { guest: false, reason: 'host-signal' } }, { poweredOff: false }],
    [{ event: 'GUEST_PANICKED', data: { action: 'poweroff' } }, { panicked: true }],
    [
      {
        event: 'BLOCK_IO_ERROR',
        data: { 'node-name': 'disk', nospace: true, reason: 'No space left on device' },
      },
      { ioError: { device: 'disk', noSpace: true, reason: 'No space left on device' } },
    ],
    [
      { event: 'BLOCK_IO_ERROR', data: { 'node-name': 'swap', nospace: false, reason: 'bad\u001b[31m' } },
      { ioError: { device: 'swap', noSpace: false, reason: 'bad?[31m' } },
    ],
  ])('%j', (message, state) => {
    const qmp = new QmpReceiver();
    expect(qmp.take(line(message))).toBe(true);
    expect(qmp.state).toMatchObject(state);
  });

  it('puts messages together that come in pieces', () => {
    const qmp = new QmpReceiver();
    const text = line({ event: 'GUEST_PANICKED', data: {} });
    expect(qmp.take(text.slice(0, 10))).toBe(false);
    expect(qmp.take(text.slice(10))).toBe(true);
  });

  it('ignores what makes no sense: QEMU runs hostile code', () => {
    const qmp = new QmpReceiver();
    const before = { ...qmp.state };
    expect(qmp.take('null\n[]\n"x"\n{\n{"event":7}\n{"event":"SHUTDOWN"}\n{"QMP":1}\n')).toBe(true);
    qmp.take('x'.repeat(3_000_000));
    expect(qmp.state).toEqual(before);
  });
});
