// What the broker tells a worker in its environment, since the worker gives up root's ids before it
// reads a message.
#ifndef HOTCELL_GUEST_ABI_KEPT_ROOT_H_
#define HOTCELL_GUEST_ABI_KEPT_ROOT_H_

namespace hotcell::abi {

// The one variable that a worker's environment may hold, with any value: the broker is root and has
// not left it to the worker to give up root's ids. In a user namespace the worker cannot know.
inline constexpr char kKeptRoot[] = "HOTCELL_KEPT_ROOT";

}  // namespace hotcell::abi

#endif  // HOTCELL_GUEST_ABI_KEPT_ROOT_H_
