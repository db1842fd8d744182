import type { GuestDoes } from '../contracts/vm.ts';
import type { TinyGuest } from './tiny-guest.ts';

const TALK = 'while :; do echo still here; sleep 1; done';

/** A letter box as a guest may write it, that then goes on instead of powering off. */
const STATUS = `
IFS=: read -r major minor </sys/block/vdb/dev
mknod /swap b $major $minor
header="slipway-letter-box 1\\nphase=build\\nnonce=$NONCE\\nresult=succeeded\\ncommand=0\\nexit=0\\nlength=0\\n"
printf "$header" >/header
printf 'sha256=%s\\n' e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 >>/header
truncate -s 512 /header
swapoff /swap
dd if=/header of=/swap bs=512 conv=notrunc,fsync
sleep 1000`;

/** What the guests of the VM contract are where QEMU runs them. */
export const GUESTS: Record<GuestDoes, TinyGuest> = {
  success: { script: 'echo building; mkdir /out/d; echo x >/out/d/x' },
  'failing-command': { script: 'exit 7' },
  // The guest's own kernel: this runs inside.
  panic: { script: 'echo c >/proc/sysrq-trigger; sleep 100', user: 'root' },
  hang: { script: TALK, limits: { heartbeatSeconds: 5 } },
  silence: { script: 'sleep 1000', limits: { logSilenceSeconds: 4 } },
  flood: { script: 'yes flood' },
  'disk-full': { script: 'dd if=/dev/zero of=/out/zeros bs=64k' },
  'status-then-hang': { script: STATUS, user: 'root', limits: { logSilenceSeconds: 4 } },
  long: { script: TALK },
};
