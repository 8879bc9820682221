#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <cerrno>

#include "guest/abi/abi.h"
#include "tests/hostile/compromised_worker/attempts.h"

namespace hotcell::tests {
namespace {

constexpr Layer kNetwork = Layer::kNetNamespace;

Argument Inet(uint32_t address) {
  const sockaddr_in to = {
      .sin_family = AF_INET, .sin_port = htons(53), .sin_addr = {htonl(address)}};
  return Object(to);
}

Argument Inet6() {
  sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(53)};
  to.sin6_addr.s6_addr[0] = 0x20;
  to.sin6_addr.s6_addr[1] = 0x01;
  return Object(to);
}

// An address without a file, as dbus-daemon and X servers have them.
sockaddr_un Abstract() {
  sockaddr_un to = {.sun_family = AF_UNIX};
  to.sun_path[1] = 'x';
  return to;
}

sockaddr_un Path() {
  sockaddr_un to = {.sun_family = AF_UNIX};
  std::string_view("/run/dbus/system_bus_socket").copy(to.sun_path, sizeof(to.sun_path) - 1);
  return to;
}

Chain Socket(int family, int type, int protocol = 0) {
  return Chain().Call(SYS_socket, {family, type, protocol});
}

Chain Connect(int family, int type, const Argument& to, size_t size) {
  return Socket(family, type).Call(SYS_connect, {Result(0), to, size});
}

}  // namespace

std::vector<Attempt> NetworkAttempts() {
  return {
      {"tcp_to_a_server",
       Connect(AF_INET, SOCK_STREAM, Inet(0x08080808), sizeof(sockaddr_in)),
       kNetwork,
       {ENETUNREACH, EACCES},
       {EBADF}},
      {"udp_to_a_server",
       Connect(AF_INET, SOCK_DGRAM, Inet(0x08080808), sizeof(sockaddr_in)),
       kNetwork,
       {ENETUNREACH},
       {EBADF}},
      {"tcp_to_the_host",
       Connect(AF_INET, SOCK_STREAM, Inet(INADDR_LOOPBACK), sizeof(sockaddr_in)),
       kNetwork,
       {ENETUNREACH, EACCES},
       {EBADF}},
      {"tcp_by_ipv6",
       Connect(AF_INET6, SOCK_STREAM, Inet6(), sizeof(sockaddr_in6)),
       kNetwork,
       {ENETUNREACH, EACCES, EADDRNOTAVAIL, EBADF}},
      {"raw_socket", Socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), Layer::kCapabilities, {EPERM}},
      {"packet_socket",
       Socket(AF_PACKET, SOCK_RAW, 0x300),
       Layer::kCapabilities,
       {EPERM, EAFNOSUPPORT}},
      {"ping", Socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), kNetwork, {EACCES}},
      {"netlink",
       Socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)
           .Call(SYS_sendto,
                 {Result(0), Bytes(std::string("\x11\0\0\0\x10\0\5\0", 8)), 8, 0, 0, 0}),
       kOnlyTheFilter,
       {0},
       {EBADF}},
      {"vsock",
       Connect(AF_VSOCK, SOCK_STREAM,
               Object(sockaddr_vm{.svm_family = AF_VSOCK, .svm_port = 1, .svm_cid = 2}),
               sizeof(sockaddr_vm)),
       kTheKernel,
       {EAFNOSUPPORT, EBADF, ENODEV, ECONNRESET, ECONNREFUSED}},
      {"unix_socket_in_the_file_system",
       Connect(AF_UNIX, SOCK_STREAM, Object(Path()), sizeof(sockaddr_un)),
       Layer::kMountNamespace,
       {ENOENT},
       {EBADF}},
      {"unix_socket_without_a_file",
       Connect(AF_UNIX, SOCK_STREAM, Object(Abstract()), 4),
       kNetwork,
       {ECONNREFUSED, EPERM},
       {EBADF}},
      {"listen",
       Socket(AF_INET, SOCK_STREAM).Call(SYS_listen, {Result(0), 1}),
       kOnlyTheFilter,
       {0},
       {EBADF}},
      {"socketpair_to_pass_descriptors",
       Chain().Call(SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0, Space(8)}),
       kOnlyTheFilter,
       {0},
       {EMFILE}},
      {"sendmsg_on_the_control_pipe",
       Chain().Call(SYS_sendmsg, {abi::kFdControlOut, Space(sizeof(msghdr)), 0}),
       kTheKernel,
       {ENOTSOCK}},
      {"recvmsg_on_the_control_pipe",
       Chain().Call(SYS_recvmsg, {abi::kFdControlIn, Space(sizeof(msghdr)), 0}),
       kTheKernel,
       {ENOTSOCK}},
      {"setns_to_the_network_of_the_host",
       Chain().Call(SYS_setns, {0, 0x40000000}),
       kTheKernel,
       {EINVAL}},
  };
}

}  // namespace hotcell::tests
