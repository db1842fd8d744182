import { vi } from 'vitest';
import { guestContract } from '../../contracts/guest.ts';
import { runBusyboxContainer } from '../../support/busybox-container.ts';

vi.setConfig({ testTimeout: 90_000 });

guestContract('a container', runBusyboxContainer);
