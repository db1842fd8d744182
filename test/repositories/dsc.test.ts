import { describe, expect, test } from 'vitest';
import { readDsc, signedText } from '../../repositories/dsc.ts';

const SHA256 = 'a'.repeat(64);

function dsc(more: { files?: string[]; fields?: string } = {}): string {
  const { files = [`${SHA256} 10 x_1.tar.gz`], fields = 'Source: xy\nVersion: 1:1.0-1~a+b\n' } = more;
  return `Format: 1.0\n${fields}Checksums-Sha256:\n${files.map((line) => ` ${line}\n`).join('')}`;
}

describe('readDsc', () => {
  test('reads name, version, fields with continuation lines, and files in order of their names', () => {
    const files = [`${SHA256} 10 x_1.tar.gz`, `${SHA256} 0 x_1.diff.gz`];
    const fields = 'Source: xy\nVersion: 1:1.0-1~a+b\nBuild-Depends: a,\n b (>= 1)\n';
    const read = readDsc(dsc({ files, fields }), 'x.dsc');
    expect(read).toMatchObject({
      name: 'xy',
      version: '1:1.0-1~a+b',
      files: [
        { name: 'x_1.diff.gz', size: 0, sha256: SHA256 },
        { name: 'x_1.tar.gz', size: 10, sha256: SHA256 },
      ],
    });
    expect(read.fields.get('build-depends')).toBe('a,\nb (>= 1)');
  });

  test.each([
    ['a path', dsc({ files: [`${SHA256} 1 ../x`] }), /listed file/],
    ['a name that is a folder', dsc({ files: [`${SHA256} 1 ..`] }), /listed file/],
    ['a control character', dsc({ files: [`${SHA256} 1 x\u001b`] }), /listed file/],
    ['a blank in a name', dsc({ files: [`${SHA256} 1 a b`] }), /listed file/],
    ['a short digest', dsc({ files: ['abc 1 x'] }), /listed file/],
    ['a negative size', dsc({ files: [`${SHA256} -1 x`] }), /listed file/],
    ['a size in hexadecimal', dsc({ files: [`${SHA256} 0x10 x`] }), /listed file/],
    ['a file twice', dsc({ files: [`${SHA256} 1 x`, `${SHA256} 2 x`] }), /lists a file twice/],
    ['no files', dsc({ files: [] }), /no Checksums-Sha256/],
    ['no source', dsc({ fields: 'Version: 1\n' }), /no valid Source/],
    ['a source that is a path', dsc({ fields: 'Source: ../x\nVersion: 1\n' }), /no valid Source/],
    ['a version with a blank', dsc({ fields: 'Source: xy\nVersion: 1 2\n' }), /no valid Version/],
    ['a field twice', dsc({ fields: 'Source: xy\nVersion: 1\nsource: y\n' }), /given twice/],
    ['a second paragraph', `${dsc()}\nSource: y\n`, /one paragraph/],
    ['junk', '<html>\n', /no field/],
    ['nothing', '', /one paragraph/],
  ])('refuses %s', (_, text, message) => {
    expect(() => readDsc(text, 'x.dsc')).toThrow(message);
  });
});

describe('signedText', () => {
  const signature = '-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n';
  const signed = (text: string) =>
    `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n${text}\n${signature}`;

  test('takes the armor off, and the escapes of lines that begin with a dash', () => {
    expect(signedText(signed('Source: x\n- -y\n'), 'x')).toEqual({ text: 'Source: x\n-y\n\n', signed: true });
    expect(signedText('Source: x\n', 'x')).toEqual({ text: 'Source: x\n', signed: false });
  });

  test.each([
    ['before', `Source: y\n${signed('Source: x\n')}`],
    ['after', `${signed('Source: x\n')}\nSource: y\n`],
    ['in a second message', signed('Source: x\n') + signed('Source: y\n')],
    ['in place of the signature', '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nSource: x\n'],
  ])('refuses text %s', (_, text) => {
    expect(() => signedText(text, 'x')).toThrow(/outside its signature|inside its signature/);
  });
});
