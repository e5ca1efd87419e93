#include "dist/heartbeat.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/log.hpp"
#include "dist/check.hpp"

namespace ddls::dist {
namespace {

constexpr size_t longest_list = 4;  // ranks named in a message
constexpr int most_addresses = 14;  // of rank 0's machine
constexpr uint32_t loopback = INADDR_LOOPBACK;

// How rank 0 is reached; the token keeps out what strangers, or another job on the same port, may send.
struct Door {
  uint64_t token = 0;
  uint16_t port = 0;  // 0: there is none
  uint16_t addresses = 0;
  std::array<uint32_t, most_addresses> address{};  // network order
};

struct Note {  // of one rank
  int32_t rank = -1;
  float silent_s = 0;
  uint64_t count = 0;
  std::array<char, 15> operation{};
  bool waiting = false;
};

// One of the sender's newest calls.
struct CallNote {
  uint64_t fingerprint = 0;
  int64_t bytes = 0, elements = 0;
  int32_t root = -1;
  std::array<char, 15> operation{};
  std::array<char, 9> type{};
  std::array<char, 7> detail{};
};
constexpr size_t told_calls = 16;

struct Datagram {
  uint64_t token = 0;
  bool leaves = false, ends = false;  // in good order; with the whole job
  bool somebody_left = false;
  uint8_t calls_told = 0;
  Note sender;
  std::array<Note, longest_list> others;   // rank 0's answer: who is silent, then who is furthest behind
  std::array<CallNote, told_calls> calls;  // up to number `last_call`
  uint64_t last_call = 0;
};
static_assert(sizeof(Datagram) < 1400, "one frame of Ethernet");
static_assert(std::is_trivially_copyable_v<Datagram>);

struct Peer {
  bool heard = false, left = false;
  double last_s = 0;
  Note note;
  sockaddr_in address{};
  uint64_t last_call = 0;
  std::vector<CallNote> calls;
};

template <size_t size>
void put(std::array<char, size>& to, const char* text) {
  std::strncpy(to.data(), text, size - 1);
}

void tell_calls(Datagram& datagram, const std::vector<LoggedCollective>& all) {
  const size_t count = std::min(all.size(), told_calls);
  datagram.calls_told = static_cast<uint8_t>(count);
  if (count == 0) return;
  datagram.last_call = all.back().number;
  for (size_t i = 0; i < count; ++i) {
    const LoggedCollective& call = all[all.size() - count + i];
    CallNote& note = datagram.calls[i];
    note.fingerprint = call.fingerprint;
    note.bytes = call.bytes;
    note.elements = call.elements;
    note.root = call.root;
    put(note.operation, call.operation);
    put(note.type, call.type);
    put(note.detail, call.detail);
  }
}

std::vector<CallNote> calls_in(Datagram& datagram) {
  const size_t count = std::min<size_t>({datagram.calls_told, told_calls, datagram.last_call});
  for (CallNote& note : datagram.calls)  // whatever came by the network
    note.operation.back() = note.type.back() = note.detail.back() = '\0';
  return {datagram.calls.begin(), datagram.calls.begin() + static_cast<ptrdiff_t>(count)};
}

// Its texts point into `peer`.
std::vector<LoggedCollective> calls_of(const Peer& peer) {
  std::vector<LoggedCollective> calls;
  for (const CallNote& note : peer.calls) {
    LoggedCollective call;
    call.operation = note.operation.data();
    call.type = note.type.data();
    call.detail = note.detail.data();
    call.bytes = note.bytes;
    call.elements = note.elements;
    call.root = note.root;
    call.fingerprint = note.fingerprint;
    call.number = peer.last_call - peer.calls.size() + calls.size() + 1;
    calls.push_back(call);
  }
  return calls;
}

Note note_of(int rank, const LifeSign& sign) {
  Note note;
  note.rank = rank;
  note.count = sign.count;
  note.waiting = sign.waiting;
  put(note.operation, sign.operation);
  return note;
}

sockaddr_in address_of(uint32_t in_network_order, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = in_network_order;
  address.sin_port = htons(port);
  return address;
}

// Binds rank 0's socket: on one machine nothing from outside reaches it.
Door open_door(int socket, bool one_machine) {
  Door door;
  sockaddr_in address = address_of(htonl(one_machine ? loopback : INADDR_ANY), 0);
  socklen_t size = sizeof address;
  if (bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      getrandom(&door.token, sizeof door.token, 0) != sizeof door.token)
    return {};
  door.port = ntohs(address.sin_port);
  ifaddrs* all = nullptr;
  if (one_machine || getifaddrs(&all) != 0) return door;
  for (const ifaddrs* one = all; one && door.addresses < most_addresses; one = one->ifa_next) {
    if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET || !(one->ifa_flags & IFF_UP) ||
        (one->ifa_flags & IFF_LOOPBACK))
      continue;
    door.address[door.addresses++] = reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr.s_addr;
  }
  freeifaddrs(all);
  return door;
}

std::string listed(const std::vector<std::string>& texts) {
  const size_t shown = std::min(texts.size(), longest_list);
  std::string text = fmt::format("{}", fmt::join(texts.begin(), texts.begin() + static_cast<ptrdiff_t>(shown), "; "));
  if (shown < texts.size()) text += fmt::format("; and {} more ranks", texts.size() - shown);
  return text;
}

}  // namespace

struct Heartbeat::State {
  int rank = 0, socket = -1;
  uint64_t token = 0;
  HeartbeatOptions options;
  std::vector<Peer> peers;              // rank 0: all ranks; others: rank 0 alone
  std::vector<sockaddr_in> doors;       // where rank 0 may be; one that answered stays alone
  std::array<Note, longest_list> told;  // from rank 0's newest answer
  LifeSign newest;
  bool ends = false, somebody_left = false;

  ~State() {
    if (socket >= 0) close(socket);
  }

  std::string name(int of) const {
    const auto index = static_cast<size_t>(of);
    return index < options.hosts.size() ? fmt::format("rank {} on {}", of, options.hosts[index])
                                        : fmt::format("rank {}", of);
  }

  double silence(const Peer& peer, double now_s) const { return peer.heard && !peer.left ? now_s - peer.last_s : 0; }

  bool silent(const Note& note) const { return note.silent_s >= options.silent_after_s; }

  // All that this rank knows of the others, the most suspicious first.
  std::vector<Note> known(double now_s) const {
    std::vector<Note> notes;
    for (const Peer& peer : peers) {
      if (!peer.heard || peer.left) continue;
      notes.push_back(peer.note);
      notes.back().silent_s = static_cast<float>(silence(peer, now_s));
    }
    // What a silent rank 0 told of others is old.
    if (rank != 0 && !notes.empty() && !silent(notes[0])) {
      for (const Note& note : told)
        if (note.rank > 0 && note.rank != rank) notes.push_back(note);
    }
    std::stable_sort(notes.begin(), notes.end(), [&](const Note& a, const Note& b) {
      return silent(a) != silent(b) ? silent(a) : a.count < b.count;
    });
    return notes;
  }

  void send_to(const sockaddr_in& address, const Datagram& datagram) const {
    // Lost ones do not matter, another follows.
    (void)sendto(socket, &datagram, sizeof datagram, MSG_DONTWAIT | MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }

  void send_all(const Datagram& datagram) const {
    for (const sockaddr_in& address : doors) send_to(address, datagram);
    if (rank != 0) return;
    for (const Peer& peer : peers)
      if (peer.heard && !peer.left) send_to(peer.address, datagram);
  }
};

std::unique_ptr<Heartbeat> Heartbeat::open(MPI_Comm comm, HeartbeatOptions options) {
  int rank = 0, ranks = 1;
  DDLS_MPI(MPI_Comm_rank(comm, &rank));
  DDLS_MPI(MPI_Comm_size(comm, &ranks));
  if (ranks == 1) return nullptr;
  std::vector<std::string>& hosts = options.hosts;
  if (hosts.size() != static_cast<size_t>(ranks)) hosts.clear();

  auto state = std::make_unique<State>();
  state->rank = rank;
  state->socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  Door door;
  if (rank == 0 && state->socket >= 0) door = open_door(state->socket, options.one_machine);
  const int error = errno;
  DDLS_MPI(MPI_Bcast(&door, sizeof door, MPI_BYTE, 0, comm));
  if (door.port == 0) {
    if (rank == 0)
      log::warning("no socket for signs of life ({}): a rank that stops is noticed in collectives only",
                   std::strerror(error));
    return nullptr;
  }
  state->token = door.token;
  if (rank != 0) {
    if (hosts.empty() || hosts[static_cast<size_t>(rank)] == hosts[0])
      state->doors.push_back(address_of(htonl(loopback), door.port));
    for (size_t i = 0; i < door.addresses; ++i) state->doors.push_back(address_of(door.address[i], door.port));
  }
  state->peers.resize(rank == 0 ? static_cast<size_t>(ranks) : 1);
  state->options = std::move(options);
  std::unique_ptr<Heartbeat> heartbeat(new Heartbeat(std::move(state)));
  heartbeat->introduce(comm);
  return heartbeat;
}

Heartbeat::Heartbeat(std::unique_ptr<State> state) : state_(std::move(state)) {}

// Whoever stops right after this was heard before.
void Heartbeat::introduce(MPI_Comm comm) {
  if (state_->rank != 0) send({}, 0);
  DDLS_MPI(MPI_Barrier(comm));
  if (state_->rank == 0) {
    receive(0);
    send({}, 0);
  }
  DDLS_MPI(MPI_Barrier(comm));
  if (state_->rank != 0) receive(0);
}

Heartbeat::~Heartbeat() {
  Datagram last;
  last.token = state_->token;
  last.sender = note_of(state_->rank, state_->newest);
  last.leaves = true;
  for (int repeat = 0; repeat < 3; ++repeat) state_->send_all(last);
}

void Heartbeat::receive(double now_s) {
  State& s = *state_;
  Datagram got;
  sockaddr_in from{};
  for (;;) {
    socklen_t size = sizeof from;
    const ssize_t bytes = recvfrom(s.socket, &got, sizeof got, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &size);
    if (bytes < 0 && errno == ECONNREFUSED) continue;  // an earlier datagram came back: nobody was there
    if (bytes < 0) return;
    if (bytes != sizeof got || got.token != s.token) continue;
    const int sender = got.sender.rank;
    if (s.rank == 0 ? sender < 1 || sender >= static_cast<int>(s.peers.size()) : sender != 0) continue;
    Peer& peer = s.peers[static_cast<size_t>(sender)];
    got.sender.operation.back() = '\0';
    s.ends = s.ends || got.ends;
    s.somebody_left = s.somebody_left || got.leaves || got.somebody_left;
    peer = {true, peer.left || got.leaves, now_s, got.sender, from, got.last_call, calls_in(got)};
    if (s.rank == 0) continue;
    s.doors.assign(1, from);
    s.told = got.others;
    for (Note& note : s.told) note.operation.back() = '\0';
  }
}

void Heartbeat::send(const LifeSign& mine, double now_s) {
  State& s = *state_;
  s.newest = mine;
  Datagram datagram;
  datagram.token = s.token;
  datagram.sender = note_of(s.rank, mine);
  datagram.ends = s.ends;
  datagram.somebody_left = s.somebody_left;
  tell_calls(datagram, mine.calls);
  if (s.rank == 0) {
    const std::vector<Note> notes = s.known(now_s);
    std::copy_n(notes.begin(), std::min(notes.size(), longest_list), datagram.others.begin());
  }
  s.send_all(datagram);
}

std::optional<std::string> Heartbeat::lost(double limit_s, double now_s) const {
  std::vector<std::string> texts;
  for (size_t i = 0; i < state_->peers.size(); ++i) {
    const double silence = state_->silence(state_->peers[i], now_s);
    if (silence > limit_s)
      texts.push_back(fmt::format("{} gave no sign of life for {:.3g} s", state_->name(static_cast<int>(i)), silence));
  }
  return texts.empty() ? std::nullopt : std::optional(listed(texts));
}

Heartbeat::Absent Heartbeat::absent(const LifeSign& mine, double now_s) const {
  Absent absent;
  std::vector<std::string> texts;
  for (const Note& note : state_->known(now_s)) {
    const bool silent = state_->silent(note);
    if (!silent && note.count >= mine.count) continue;
    absent.rank_0 = absent.rank_0 || note.rank == 0;
    const std::string name = state_->name(note.rank);
    if (silent)
      texts.push_back(fmt::format("{} has given no sign of life for {:.3g} s", name, note.silent_s));
    else if (note.count == 0)
      texts.push_back(fmt::format("{} is alive but has not come to any collective yet", name));
    else
      texts.push_back(fmt::format("{} is alive but has not come: it {} {} #{}", name,
                                  note.waiting ? "is still in" : "works behind", note.operation.data(), note.count));
  }
  if (!texts.empty()) absent.text = listed(texts);
  return absent;
}

std::optional<std::string> Heartbeat::different_calls(const std::vector<LoggedCollective>& mine) const {
  for (size_t i = 0; i < state_->peers.size(); ++i) {
    const Peer& peer = state_->peers[i];
    if (!peer.heard || static_cast<int>(i) == state_->rank) continue;
    const auto found = first_difference(mine, calls_of(peer));
    if (!found) continue;
    const auto theirs = static_cast<int>(i);
    const bool mine_first = state_->rank < theirs;
    return fmt::format("ranks make different collectives, {} call #{}: rank {}: {}, rank {}: {}",
                       found->exact ? "at first" : "before or at", found->number, std::min(state_->rank, theirs),
                       mine_first ? found->mine : found->theirs, std::max(state_->rank, theirs),
                       mine_first ? found->theirs : found->mine);
  }
  return std::nullopt;
}

void Heartbeat::tell_end(const LifeSign& mine, double now_s) {
  state_->ends = true;
  send(mine, now_s);
}

bool Heartbeat::ending() const { return state_->ends; }

bool Heartbeat::somebody_left() const { return state_->somebody_left; }

std::vector<int> Heartbeat::never_heard(double after_s, double now_s) const {
  std::vector<int> ranks;
  for (size_t i = 1; i < state_->peers.size(); ++i)
    if (!state_->peers[i].heard && now_s > after_s) ranks.push_back(static_cast<int>(i));
  return ranks;
}

}  // namespace ddls::dist
