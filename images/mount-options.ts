/**
 * Mount options of a filesystem for the host: without those that let a broken disk panic the kernel, which in a guest
 * is a guest that crashed and here would be the host and all that it builds.
 */
export function mountOptionsOnHost(options: readonly string[]): string[] {
  const kept = options.filter((option) => !option.endsWith('errors=panic'));
  // A disk that breaks must not go on as if nothing was; btrfs and xfs need not be told.
  return options.includes('errors=panic') ? [...kept, 'errors=remount-ro'] : kept;
}
