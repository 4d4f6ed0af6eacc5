// Network namespaces and what is in them; shared memory.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "tests/leftovers/fixture.h"

namespace vx::leftovers {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

bool Bridge(unsigned long request, const std::string& name) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool done = ioctl(fd, request, name.c_str()) == 0;
  close(fd);
  return done;
}

// A listening socket.
int Listen(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  EXPECT_TRUE(bound && listen(fd, 1) == 0) << path;
  return fd;
}

class NetworksTest : public LeftoversTest {
 protected:
  // Of 15 characters at most.
  std::string link() const { return "vx" + id() + "b"; }
};

TEST_F(NetworksTest, ALinkWithTheIdInItsNameIsFound) {
  ASSERT_TRUE(Bridge(SIOCBRADDBR, link()));
  EXPECT_THAT(Found(), ElementsAre(Is("link", link() + " in net:[")));
  scope().instance->id = "ffffffff";
  EXPECT_THAT(Found(), IsEmpty());
  Bridge(SIOCBRDELBR, link());
}

TEST_F(NetworksTest, InNamespacesOfTheTestsOwnAnyLinkIsFound) {
  scope() = Scope{.here = true};
  const std::set<Finding> before = Look(scope()).findings;
  ASSERT_TRUE(Bridge(SIOCBRADDBR, "other0"));
  EXPECT_THAT(LookAfter(scope(), before, {}).Lines(), ElementsAre(Is("link", "other0")));
  Bridge(SIOCBRDELBR, "other0");
}

TEST_F(NetworksTest, ALinkInAnotherNamespaceIsFound) {
  Forked child([&] { return unshare(CLONE_NEWNET) == 0 && Bridge(SIOCBRADDBR, link()); });
  EXPECT_THAT(Found(), ElementsAre(Is("link", link())));
}

TEST_F(NetworksTest, ALinkInANamespaceThatIsOnlyHeldOpenIsFound) {
  int held = -1;
  {
    Forked child([&] { return unshare(CLONE_NEWNET) == 0 && Bridge(SIOCBRADDBR, link()); });
    held = open(child.proc("ns/net").c_str(), O_RDONLY | O_CLOEXEC);
  }
  EXPECT_THAT(Found(), ElementsAre(Is("link", link())));
  close(held);
}

TEST_F(NetworksTest, ABoundNamespaceIsFoundByItsPath) {
  const std::string point = elsewhere() + "/" + name() + "-net";
  MakeFile(point);
  {
    Forked child([] { return unshare(CLONE_NEWNET) == 0; });
    ASSERT_EQ(mount(child.proc("ns/net").c_str(), point.c_str(), nullptr, MS_BIND, nullptr), 0);
  }
  EXPECT_THAT(Found(), ElementsAre(Is("netns", point)));
  umount(point.c_str());
}

TEST_F(NetworksTest, ANamespaceThatALeftProcessIsInIsFound) {
  Forked child([&] { return unshare(CLONE_NEWNET) == 0 && chdir(runtime().c_str()) == 0; });
  const std::string pid = "(" + std::to_string(child.pid()) + ")";
  EXPECT_THAT(Found(), UnorderedElementsAre(Is("process", "its cwd is "),
                                            AllOf(Is("netns", "net:["), HasSubstr(pid))));
}

TEST_F(NetworksTest, ANamespaceThatADaemonHoldsForNobodyIsFound) {
  Forked daemon([&] {
    Forked child([] { return unshare(CLONE_NEWNET) == 0; });
    return open(child.proc("ns/net").c_str(), O_RDONLY) >= 0 && chdir(runtime().c_str()) == 0;
  });
  instance().alive = true;
  EXPECT_THAT(Found(), ElementsAre(Is("netns", "has it as fd ")));
}

TEST_F(NetworksTest, ANamespaceThatADaemonHoldsForAWorkloadThatRunsIsNone) {
  const std::string uid = NewUid(), run = runtime() + "/" + uid;
  MakeDir(run);
  Forked child([&] { return unshare(CLONE_NEWNET) == 0 && chdir(run.c_str()) == 0; });
  Forked daemon([&] {
    return open(child.proc("ns/net").c_str(), O_RDONLY) >= 0 && chdir(runtime().c_str()) == 0;
  });
  instance().alive = true;
  instance().running = {uid};
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(NetworksTest, ALinkWithTheIdInItsAliasIsFound) {
  ASSERT_EQ(mount("none", elsewhere().c_str(), "sysfs", 0, nullptr), 0);
  const std::string alias = elsewhere() + "/class/net/lo/ifalias";
  std::ofstream(alias) << "for " << name() << std::flush;
  EXPECT_THAT(Found(), ElementsAre(Is("link", "lo in net:[")));
  std::ofstream(alias) << "\n" << std::flush;
  EXPECT_THAT(Found(), IsEmpty());
  umount(elsewhere().c_str());
}

TEST_F(NetworksTest, AListeningSocketIsFoundWhenItsFileIsGone) {
  const std::string path = runtime() + "/vxd.sock";
  const int fd = Listen(path);
  EXPECT_THAT(Found(), UnorderedElementsAre(Is("socket", path + " in net:["),
                                            Is("socket", path + ": its daemon does not run")));
  unlink(path.c_str());
  EXPECT_THAT(Found(), ElementsAre(Is("socket", path + " in net:[")));
  close(fd);
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(NetworksTest, ASocketInAnotherNamespaceIsFound) {
  const std::string path = runtime() + "/control";
  Forked child([&] { return unshare(CLONE_NEWNET) == 0 && Listen(path) >= 0; });
  unlink(path.c_str());
  EXPECT_THAT(Found(), ElementsAre(Is("socket", path + " in net:[")));
}

// --- nftables, by the kernel's own words. ---

std::string Attribute(uint16_t kind, const std::string& value) {
  nlattr header = {static_cast<uint16_t>(sizeof(nlattr) + value.size()), kind};
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes += value;
  bytes.resize(NLA_ALIGN(bytes.size()));
  return bytes;
}

// With its NUL.
std::string Word(uint16_t kind, const std::string& text) {
  return Attribute(kind, std::string(text.c_str(), text.size() + 1));
}

std::string Message(uint16_t type, uint16_t flags, const nfgenmsg& family,
                    const std::string& body) {
  nlmsghdr header = {};
  header.nlmsg_len = static_cast<uint32_t>(sizeof header + sizeof family + body.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  return std::string(reinterpret_cast<const char*>(&header), sizeof header) +
         std::string(reinterpret_cast<const char*>(&family), sizeof family) + body;
}

std::string Nft(uint16_t message, const std::string& body) {
  nfgenmsg family = {};
  family.nfgen_family = NFPROTO_INET;
  return Message(NFNL_SUBSYS_NFTABLES << 8 | message, NLM_F_CREATE | NLM_F_ACK, family, body);
}

// Sends all of it as one change; the errno of the first answer.
int Change(const std::string& messages) {
  nfgenmsg batch = {};
  batch.res_id = htons(NFNL_SUBSYS_NFTABLES);
  const std::string bytes = Message(NFNL_MSG_BATCH_BEGIN, 0, batch, "") + messages +
                            Message(NFNL_MSG_BATCH_END, 0, batch, "");
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  EXPECT_EQ(sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&kernel),
                   sizeof kernel),
            static_cast<ssize_t>(bytes.size()));
  char answer[4096];
  const ssize_t n = recv(fd, answer, sizeof answer, 0);
  close(fd);
  int error = 0;
  if (n < static_cast<ssize_t>(sizeof(nlmsghdr) + sizeof error)) return EBADMSG;
  memcpy(&error, answer + sizeof(nlmsghdr), sizeof error);
  return -error;
}

int AddTable(const std::string& table) {
  return Change(Nft(NFT_MSG_NEWTABLE, Word(NFTA_TABLE_NAME, table)));
}

int AddChain(const std::string& table, const std::string& chain) {
  return Change(
      Nft(NFT_MSG_NEWCHAIN, Word(NFTA_CHAIN_TABLE, table) + Word(NFTA_CHAIN_NAME, chain)));
}

int AddRule(const std::string& table, const std::string& chain, const std::string& comment) {
  return Change(Nft(NFT_MSG_NEWRULE, Word(NFTA_RULE_TABLE, table) + Word(NFTA_RULE_CHAIN, chain) +
                                         Word(NFTA_RULE_USERDATA, comment)));
}

class NftTest : public LeftoversTest {
 protected:
  void SetUp() override {
    const int error = AddTable("other");
    if (error != 0) GTEST_SKIP() << "no nftables here: " << strerror(error);
  }
  ~NftTest() override {
    for (const std::string& table : {std::string("other"), name()}) {
      Change(Nft(NFT_MSG_DELTABLE, Word(NFTA_TABLE_NAME, table)));
    }
  }
};

TEST_F(NftTest, ATableWithTheIdInItsNameIsFoundWithAllThatIsInIt) {
  EXPECT_THAT(Found(), IsEmpty());
  ASSERT_EQ(AddTable(name()), 0);
  ASSERT_EQ(AddChain(name(), "in"), 0);
  EXPECT_THAT(Found(), UnorderedElementsAre(Is("nft", "table inet " + name()),
                                            Is("nft", "chain inet " + name() + " in")));
}

TEST_F(NftTest, AChainInAnothersTableIsFound) {
  ASSERT_EQ(AddChain("other", name()), 0);
  EXPECT_THAT(Found(), ElementsAre(Is("nft", "chain inet other " + name())));
}

TEST_F(NftTest, ARuleInAnothersChainIsFoundByItsComment) {
  ASSERT_EQ(AddChain("other", "forward"), 0);
  ASSERT_EQ(AddRule("other", "forward", "nothing"), 0);
  ASSERT_EQ(AddRule("other", "forward", "for " + name()), 0);
  EXPECT_THAT(Found(), ElementsAre(Is("nft", "rule inet other forward ")));
}

TEST_F(NftTest, InNamespacesOfTheTestsOwnAnyTableIsFound) {
  scope() = Scope{.here = true};
  EXPECT_THAT(Found(), Contains(Is("nft", "table inet other")));
}

// --- Shared memory. ---

TEST_F(LeftoversTest, PosixSharedMemoryIsFoundByItsName) {
  const std::string object = "/" + name() + "-ring";
  close(shm_open(object.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  EXPECT_THAT(Found(), ElementsAre(Is("shm", name() + "-ring")));
  shm_unlink(object.c_str());
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(LeftoversTest, OnTheHostASemaphoreIsFoundByItsName) {
  scope() = Scope{.host = true};
  sem_close(sem_open(("/" + name()).c_str(), O_CREAT, 0600, 0));
  EXPECT_THAT(Found(), Contains(Is("shm", "sem." + name())));
  sem_unlink(("/" + name()).c_str());
  EXPECT_THAT(Found(), Not(Contains(Is("shm", "sem." + name()))));
}

TEST_F(LeftoversTest, OnTheHostSystemVSharedMemoryIsFound) {
  scope() = Scope{.host = true};
  const std::set<Finding> before = Look(scope()).findings;
  const int segment = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
  const auto after = [&] { return LookAfter(scope(), before, {}).Lines(); };
  const auto found = Is("shm", "System V " + std::to_string(segment) + ": 4096 bytes");
  EXPECT_THAT(after(), Contains(found));
  shmctl(segment, IPC_RMID, nullptr);
  EXPECT_THAT(after(), Not(Contains(found)));
}

}  // namespace
}  // namespace vx::leftovers
