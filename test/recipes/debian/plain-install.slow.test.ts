import { helloInputs } from '../../support/build-inputs.ts';
import { sameAsPlainInstall } from './plain-install.ts';

sameAsPlainInstall('hello', () => helloInputs(['any', 'all', 'source']), 10);
