import { buildInputs } from '../../support/build-inputs.ts';
import { sameAsPlainInstall } from './plain-install.ts';

// Small, with what is special: a diversion of another's file, debconf questions, triggers, alternatives, a daemon's user.
sameAsPlainInstall(
  'a script',
  () =>
    buildInputs({
      kind: 'script',
      name: 'plain',
      script: 'true\n',
      packages: ['man-db', 'ucf', 'file', 'passwd', 'iputils-ping', 'xz-utils'],
    }),
  5,
);
