/** A table; cells are plain text, or links. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [tableRow(head), `|${'---|'.repeat(head.length)}`, ...rows.map(tableRow)].join('\n')
}

function tableRow(cells: readonly string[]): string {
  const shown = cells.map((cell) =>
    cell.replaceAll('<', '&lt;').replaceAll('|', '\\|').replaceAll(/\s+/g, ' '),
  )
  return `| ${shown.join(' | ')} |`
}
