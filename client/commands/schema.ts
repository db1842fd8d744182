import { Argument, type Command } from 'commander';
import { jsonSchema, SCHEMAS, type SchemaName } from '../../schema/generate.ts';

export function addSchemaCommand(program: Command): void {
  program
    .command('schema')
    .summary('print a JSON Schema')
    .description('Prints the JSON Schema of a request, a result, a lock or the configuration.')
    .addArgument(new Argument('<name>', 'which one').choices(Object.keys(SCHEMAS)))
    .action((name: SchemaName) => {
      process.stdout.write(jsonSchema(name));
    });
}
