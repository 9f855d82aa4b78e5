import t from 'tap'
import type os from 'node:os'
import { ipv4Bytes, ipv6Bytes, ipv6Text, localAddresses, unmapped } from '../../../src/transfer/meetings/ip-address.ts'

t.test('text and bytes', async (t) => {
  t.same([...ipv4Bytes('192.0.2.255')], [192, 0, 2, 255])
  const plan: [string, string, string][] = [
    ['::', '00000000000000000000000000000000', '::'],
    ['::1', '00000000000000000000000000000001', '::1'],
    ['1::', '00010000000000000000000000000000', '1::'],
    ['2001:DB8:0:0:1:0:0:1', '20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008', '1:2:3:4:5:6:7:8'],
    ['64:ff9b::192.0.2.33', '0064ff9b0000000000000000c0000221', '64:ff9b::c000:221'],
  ]
  for (const [text, hex, back] of plan) {
    t.equal(Buffer.from(ipv6Bytes(text)).toString('hex'), hex, text)
    t.equal(ipv6Text(Buffer.from(hex, 'hex')), back)
  }
  t.throws(() => ipv6Bytes('fe80::1%eth0'), RangeError)
})

t.test('IPv4 in the form of IPv6', async (t) => {
  t.equal(unmapped('::ffff:192.0.2.1'), '192.0.2.1')
  t.equal(unmapped('0:0:0:0:0:FFFF:C000:0201'), '192.0.2.1')
  t.equal(unmapped('::fffe:192.0.2.1'), '::fffe:c000:201')
  for (const host of ['192.0.2.1', 'name.example', 'fe80::1%eth0']) t.equal(unmapped(host), host)
})

function face(address: string, internal = false): os.NetworkInterfaceInfo {
  const common = { address, internal, netmask: '', mac: '', cidr: null }
  return address.includes(':') ? { ...common, family: 'IPv6', scopeid: 0 } : { ...common, family: 'IPv4' }
}

t.test('where a listener is reached', async (t) => {
  const interfaces = {
    lo: [face('127.0.0.1', true), face('::1', true)],
    eth0: [face('169.254.7.7'), face('2001:db8::7'), face('192.0.2.7'), face('fe80::7')],
    eth1: [face('198.51.100.7'), face('192.0.2.7')],
    gone: undefined,
  }
  const many = { eth0: Array.from({ length: 20 }, (_, i) => face(`192.0.2.${i}`)) }
  const hosts = (host: string, faces: Parameters<typeof localAddresses>[2] = interfaces): string[] =>
    localAddresses(host, 4433, faces).map((address) => address.host)
  const all = ['192.0.2.7', '198.51.100.7', '2001:db8::7', '169.254.7.7']
  for (const host of ['', '::', '[::]']) t.same(hosts(host), all)
  t.same(hosts('0.0.0.0'), all.filter((address) => !address.includes(':')))
  t.same(hosts('', { lo: interfaces.lo }), ['127.0.0.1', '::1'], 'nothing else')
  t.same(hosts('0.0.0.0', { lo: interfaces.lo }), ['127.0.0.1'])
  t.same(hosts('', {}), [])
  t.same(hosts('', many), many.eth0.slice(0, 16).map(({ address }) => address))
  for (const host of ['127.0.0.1', 'name.example', '2001:db8::1']) t.same(hosts(host), [host], 'asked for')
  t.same(localAddresses('[::1]', 4433, interfaces), [{ host: '::1', port: 4433 }])
  t.ok(Array.isArray(localAddresses('', 4433)))
})
