import type { WantedPin } from '../recipes/recipe.ts';

/** Text of apt's preferences. The fields were checked where they came in: none has a line end. */
export function preferencesText(pins: readonly WantedPin[]): string {
  return pins
    .map(({ package: name, pin, priority }) => `Package: ${name}\nPin: ${pin}\nPin-Priority: ${priority}\n`)
    .join('\n');
}
