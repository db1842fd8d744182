import { spawn } from 'node:child_process';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface GuestRun {
  disk: string;
  swap: string;
  kernel: string;
  initramfs: string;
  /** Folder for what the guest says. */
  folder: string;
  cpus?: number;
  memoryMiB?: number;
  /** Milliseconds, then QEMU is killed and the test fails. */
  timeout?: number;
}

export interface GuestSaid {
  /** Control records, without their times. */
  records: string[];
  log: string;
  console: string;
}

/** Boots a guest the shortest way, without supervisor and watchdogs: for tests of what runs inside. */
export async function bootGuest(of: GuestRun): Promise<GuestSaid> {
  const file = (name: string) => join(of.folder, name);
  await Promise.all(['log', 'control', 'console'].map((name) => writeFile(file(name), '')));
  const port = (name: string) => [
    ...['-chardev', `file,id=${name},path=${file(name)},append=on`],
    ...['-device', `virtserialport,chardev=${name},name=slipway.${name}`],
  ];
  const drive = (id: string, path: string) => [
    ...[
      '-blockdev',
      JSON.stringify({ driver: 'raw', 'node-name': id, file: { driver: 'file', filename: path } }),
    ],
    ...['-device', `virtio-blk-pci,drive=${id}`],
  ];
  await qemu(
    [
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
      ...['-M', 'q35,sata=off,smbus=off,usb=off,vmport=off,i8042=off,graphics=off', '-device', 'pvpanic-pci'],
      ...['-accel', 'tcg', '-cpu', 'max', '-smp', `${of.cpus ?? 1}`, '-m', `${of.memoryMiB ?? 256}`],
      ...['-kernel', of.kernel, '-initrd', of.initramfs, '-append', 'console=ttyS0 quiet panic=-1'],
      ...[
        '-serial',
        `file:${file('console')}`,
        '-device',
        'virtio-serial-pci',
        ...port('log'),
        ...port('control'),
      ],
      ...[...drive('disk', of.disk), ...drive('swap', of.swap)],
    ],
    of.timeout ?? 90_000,
  );
  const control = await readFile(file('control'), 'latin1');
  return {
    records: control.split('\n').map((line) => line.replace(/ at=[0-9.]+$/, '')),
    log: await readFile(file('log'), 'utf8'),
    console: await readFile(file('console'), 'latin1'),
  };
}

async function qemu(argv: string[], timeout: number): Promise<void> {
  const child = spawn('qemu-system-x86_64', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  const said: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk));
  const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (...end) => resolve(end));
  });
  clearTimeout(timer);
  if (code !== 0) throw new Error(`QEMU ended with ${code ?? signal}: ${Buffer.concat(said)}`);
}

/** A sparse swap file with its header zeroed. */
export async function emptySwap(path: string, bytes = 32 * 1024 * 1024): Promise<void> {
  await writeFile(path, '');
  await truncate(path, bytes);
}
