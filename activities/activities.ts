import { WrittenFiles } from '../extraction/written-files.ts';
import { claimHost } from './claim-host.ts';
import type { Activities } from './contract.ts';
import { createImage } from './create-image.ts';
import { deleteScratch } from './delete-scratch.ts';
import type { Dependencies } from './dependencies.ts';
import { explainWait } from './explain-wait.ts';
import { extractArtifacts } from './extract-artifacts.ts';
import { fetchInputs } from './fetch-inputs.ts';
import { keepRoot } from './keep-root.ts';
import { killVm } from './kill-vm.ts';
import { preinstall } from './preinstall.ts';
import { publishResult } from './publish-result.ts';
import { releaseLease } from './release-lease.ts';
import { resolveInputs } from './resolve-inputs.ts';
import { runVm } from './run-vm.ts';
import { uploadArtifacts } from './upload-artifacts.ts';

/** All activities, as a worker registers them. */
export function createActivities(dependencies: Dependencies): Activities {
  const written = new WrittenFiles();
  return {
    resolveInputs: resolveInputs(dependencies),
    explainWait: explainWait(),
    publishResult: publishResult(dependencies),
    claimHost: claimHost(dependencies),
    fetchInputs: fetchInputs(dependencies),
    createImage: createImage(dependencies),
    preinstall: preinstall(dependencies),
    keepRoot: keepRoot(dependencies),
    runVm: runVm(dependencies),
    extractArtifacts: extractArtifacts(dependencies, written),
    uploadArtifacts: uploadArtifacts(dependencies, written),
    killVm: killVm(dependencies),
    deleteScratch: deleteScratch(dependencies),
    releaseLease: releaseLease(dependencies),
  };
}
