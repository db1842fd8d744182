/** One figure of a benchmark. */
export interface Figure {
  what: string;
  value: number;
  unit: 's' | 'MB/s' | 'ratio';
}

/** A Markdown table, figures to the right. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map(({ what, value, unit }) => [what, value.toFixed(unit === 'MB/s' ? 0 : 2), unit]);
  return [['what', 'value', 'unit'], ['---', '---:', '---'], ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');
}
